#include "core/mpi/exchange.h"

#include <malloc.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <map>

using namespace core;

namespace {

struct Item {
    std::int64_t from, number;
};
ByteView bytes_of(const Item& item) {
    return {reinterpret_cast<const std::uint8_t*>(&item), sizeof item};
}

}  // namespace

TEST_CASE("everything arrives once, in order, in many rounds of little memory") {
    const Comm comm(MPI_COMM_WORLD);
    const std::int64_t mine = GENERATE(0, 1, 5000);
    const std::uint64_t memory = 1024;
    // All of it to one rank, or spread: the worst case is not more memory but more rounds.
    const bool skewed = GENERATE(false, true);
    std::int64_t next = 0, arrived = 0;
    std::size_t longest = 0;
    std::map<int, std::int64_t> last;
    bool in_order = true;
    exchange(
        comm, memory,
        [&](const Send& send) {
            if (next == mine) return false;
            send(skewed ? 0 : static_cast<int>(next % comm.size()), bytes_of({comm.rank(), next}));
            ++next;
            return true;
        },
        [&](int from, ByteView bytes) {
            longest = std::max(longest, bytes.size());
            for (std::size_t at = 0; at < bytes.size(); at += sizeof(Item)) {
                Item item;
                std::memcpy(&item, bytes.data() + at, sizeof item);
                const auto [was, is_new] = last.try_emplace(from, -1);
                in_order &= item.from == from && item.number > was->second;
                was->second = item.number;
                ++arrived;
            }
        });
    CHECK(in_order);
    CHECK(longest <= memory);
    CHECK(comm.sum(arrived) == mine * comm.size());
    if (skewed) CHECK(arrived == (comm.is_root() ? mine * comm.size() : 0));
}

TEST_CASE("memory is a few times what a round may take, however many rounds follow") {
    const Comm comm(MPI_COMM_WORLD);
    constexpr std::uint64_t kMemory = 1 << 20;
    constexpr int kSteps = 200;
    const Bytes record(3000);
    const auto allocated = [] {
        const auto now = ::mallinfo2();
        return static_cast<std::int64_t>(now.uordblks + now.hblkhd);
    };
    const std::int64_t before = allocated();
    std::int64_t most = 0;
    int steps = 0;
    exchange(
        comm, kMemory,
        [&](const Send& send) {
            // More than a round takes: something always waits for the next one.
            for (std::uint64_t bytes = 0; bytes < kMemory + kMemory / 2; bytes += record.size())
                send(comm.rank(), record);
            return ++steps < kSteps;
        },
        [&](int, ByteView) { most = std::max(most, allocated() - before); });
    CHECK(steps == kSteps);
    CHECK(comm.max(most) < 16 * static_cast<std::int64_t>(kMemory));
}

TEST_CASE("a rank that fails in an exchange fails it for all, in the same round") {
    const Comm comm(MPI_COMM_WORLD);
    const bool while_sending = GENERATE(true, false);
    const auto run = [&] {
        int left = 100;
        exchange(
            comm, 64 * static_cast<std::uint64_t>(comm.size()),
            [&](const Send& send) {
                if (while_sending && comm.rank() == comm.size() - 1 && left == 50)
                    throw Error(Fault::system, "no space");
                send(left % comm.size(), bytes_of({comm.rank(), left}));
                return --left > 0;
            },
            [&](int, ByteView) {
                if (!while_sending && comm.is_root()) throw Error(Fault::system, "no space");
            });
    };
    CHECK_THROWS_WITH(run(), "no space");
    comm.barrier();
}

TEST_CASE("a record longer than a rank's part of the memory is our mistake, and said") {
    const Comm comm(MPI_COMM_WORLD);
    const Bytes large(100);
    const auto run = [&] {
        exchange(
            comm, 99, [&](const Send& send) { return send(0, large), false; }, [](int, ByteView) {});
    };
    CHECK_THROWS_AS(run(), AgreedError);
}
