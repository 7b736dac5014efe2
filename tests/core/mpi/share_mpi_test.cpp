#include "core/mpi/share.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

using namespace core;

namespace {

namespace fs = std::filesystem;

void sleep_ms(int ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

// How many items each rank has done, as the others see it without a message. Collective at both ends.
class Done {
public:
    explicit Done(const Comm& comm)
        : comm_(comm),
          folder_(fs::temp_directory_path() /
                  ("aloft-share-" + std::to_string(comm.sum(comm.is_root() ? ::getpid() : 0)))) {
        fs::create_directories(folder_);
        comm.barrier();
    }
    ~Done() {
        comm_.barrier();
        std::error_code none;
        fs::remove_all(folder_, none);
    }
    void add() { std::ofstream(file(comm_.rank()), std::ios::app) << 'x'; }
    std::int64_t by_ranks_from(int first) const {
        std::int64_t sum = 0;
        for (int rank = first; rank < comm_.size(); ++rank) {
            std::error_code none;
            const auto size = fs::file_size(file(rank), none);
            if (!none) sum += static_cast<std::int64_t>(size);
        }
        return sum;
    }

private:
    fs::path file(int rank) const { return folder_ / std::to_string(rank); }
    const Comm& comm_;
    fs::path folder_;
};

// Looks again and again, as long as any machine needs.
template <class Condition>
bool soon(Condition condition, int looks = 30000) {
    for (int n = 0; n < looks; ++n, sleep_ms(2))
        if (condition()) return true;
    return false;
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
    });
    CHECK(comm.sum(taken) == count);
    CHECK(comm.sum(sum) == count * (count - 1) / 2);
    CHECK(comm.sum(squares) == (count - 1) * count * (2 * count - 1) / 6);
}

TEST_CASE("what a slow rank has not begun is done by the others") {
    const Comm comm(MPI_COMM_WORLD);
    const std::int64_t count = 40, most = count / comm.size() / 2;
    std::int64_t taken = 0;
    Done done(comm);
    share(comm, count, [&](Shared& work) {
        while (work.next()) {
            ++taken;
            // The first rank's item takes until the others have done more than theirs, and looks for messages between its files.
            if (comm.is_root() && comm.size() > 1)
                CHECK(soon([&] {
                    work.poll();
                    return done.by_ranks_from(1) >= count - most;
                }));
            done.add();
        }
    });
    CHECK(comm.sum(taken) == count);
    if (comm.size() > 1 && comm.is_root()) CHECK(taken <= most);
}

TEST_CASE("a rank that never polls holds nobody but its own range") {
    const Comm comm(MPI_COMM_WORLD);
    if (comm.size() < 4) return;
    std::int64_t taken = 0;
    Done done(comm);
    share(comm, 44, [&](Shared& work) {
        while (work.next()) {
            ++taken;
            if (comm.is_root()) {  // as long as it takes the others to do all that is theirs
                CHECK(soon([&] { return done.by_ranks_from(1) == 33; }));
                break;
            }
            // Ranks 2 and 3 do theirs, ask rank 0 first or second, and take rank 1's work while that goes on.
            if (comm.rank() == 1 && taken == 1) CHECK(soon([&] { return done.by_ranks_from(2) == 22; }));
            if (comm.rank() == 1 && taken > 1) soon([&] { return done.by_ranks_from(2) > 22; }, 250);
            done.add();
        }
    });
    if (comm.rank() == 1) CHECK(taken < 11);
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
