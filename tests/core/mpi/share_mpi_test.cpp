#include "core/mpi/share.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

using namespace core;

namespace {

void sleep_ms(int ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

}  // namespace

TEST_CASE("every item goes to exactly one rank") {
    const Comm comm(MPI_COMM_WORLD);
    const std::int64_t count = GENERATE(0, 1, 5, 1000);
    std::int64_t taken = 0, sum = 0, squares = 0;
    share(comm, count, [&](Shared& work) {
        while (const auto item = work.next()) {
            ++taken;
            sum += *item;
            squares += *item * *item;
        }
        CHECK_FALSE(work.next());
    });
    CHECK(comm.sum(taken) == count);
    CHECK(comm.sum(sum) == count * (count - 1) / 2);
    CHECK(comm.sum(squares) == (count - 1) * count * (2 * count - 1) / 6);
}

TEST_CASE("what a slow rank has not begun is done by the others") {
    const Comm comm(MPI_COMM_WORLD);
    const std::int64_t count = 40;
    std::int64_t taken = 0;
    share(comm, count, [&](Shared& work) {
        while (work.next()) {
            ++taken;
            // The first rank's item is thirty times as long, and looks for messages between its files.
            for (int file = 0; file < (comm.is_root() && comm.size() > 1 ? 30 : 1); ++file) {
                sleep_ms(2);
                work.poll();
            }
        }
    });
    CHECK(comm.sum(taken) == count);
    if (comm.size() > 1 && comm.is_root()) CHECK(taken <= count / comm.size() / 2);
}

TEST_CASE("a rank that never polls holds nobody but its own range") {
    const Comm comm(MPI_COMM_WORLD);
    if (comm.size() < 4) return;
    std::int64_t taken = 0;
    const auto begin = std::chrono::steady_clock::now();
    double idle_at = 0;
    share(comm, 44, [&](Shared& work) {
        while (work.next()) {
            ++taken;
            sleep_ms(comm.is_root() ? 1000 : comm.rank() == 1 ? 30 : 1);
            if (!comm.is_root())
                idle_at = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
            if (comm.is_root()) break;
        }
    });
    // Ranks 2 and 3 asked rank 0 first or second, and took rank 1's work while it slept.
    if (comm.rank() == 1) CHECK(taken < 11);
    CHECK(idle_at < 0.9);
}

TEST_CASE("when one rank fails the others stop at their next item, and all have its error") {
    const Comm comm(MPI_COMM_WORLD);
    std::int64_t taken = 0;
    const auto run = [&] {
        share(comm, 4000, [&](Shared& work) {
            while (work.next()) {
                if (comm.rank() == comm.size() - 1) throw Error(Fault::system, "disk 7 is full");
                ++taken;
                sleep_ms(2);
            }
        });
    };
    CHECK_THROWS_WITH(run(), Catch::Contains("disk 7 is full"));
    CHECK(taken < 400);
    comm.barrier();  // and the communicator still works
}
