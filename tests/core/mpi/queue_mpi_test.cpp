#include "core/mpi/queue.h"

#include <catch2/catch.hpp>

using namespace core;

TEST_CASE("every item goes to exactly one rank, and a slow rank does not hold the rest") {
    const Comm comm(MPI_COMM_WORLD);
    const std::int64_t count = GENERATE(0, 1, 5, 1000);
    std::int64_t taken = 0, sum = 0;
    {
        WorkQueue queue(comm, count);
        while (const auto item = queue.next()) {
            ++taken;
            sum += *item;
        }
        CHECK_FALSE(queue.next());
    }
    CHECK(comm.sum(taken) == count);
    CHECK(comm.sum(sum) == count * (count - 1) / 2);
}
