#include "staging/pool/parts.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/mpi/exchange.h"

namespace staging {
namespace {

constexpr std::size_t kAtOnce = 64;  // of what is sent; each by itself

template <class One>
core::ByteView bytes_of(const One& one) {
    static_assert(std::is_trivially_copyable_v<One>);
    return {reinterpret_cast<const std::uint8_t*>(&one), sizeof one};
}

template <class One, class Take>
void each_of(core::ByteView bytes, Take take) {
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(One)) {
        One one;
        std::memcpy(&one, bytes.data() + at, sizeof one);
        take(one);
    }
}

}  // namespace

void RankParts::sum(std::span<std::int64_t> numbers) const {
    core::check_mpi(MPI_Allreduce(MPI_IN_PLACE, numbers.data(), static_cast<int>(numbers.size()), MPI_INT64_T,
                                  MPI_SUM, comm_.get()),
                    "add up what ranks have counted");
}

// Another part of the hash than that by which Shares finds its place.
int RankParts::owner_of(const GroupName& group) const {
    return static_cast<int>((hash_of(group) >> 32) % static_cast<std::uint64_t>(comm_.size()));
}

void RankParts::bring(const std::vector<Share>& mine, Shares& here) const {
    std::size_t next = 0;
    core::exchange(
        comm_, exchange_bytes_,
        [&](const core::Send& send) {
            for (std::size_t i = 0; i < kAtOnce && next < mine.size(); ++i, ++next)
                send(owner_of(mine[next].group), bytes_of(mine[next]));
            return next < mine.size();
        },
        [&](int, core::ByteView bytes) { each_of<Share>(bytes, [&](const Share& one) { here.add(one); }); });
}

void RankParts::give_back(const Shares& mine, const Shares& here, Shares& back) const {
    std::vector<GroupName> names;
    mine.each_group([&](std::span<const Share> group) { names.push_back(group[0].group); });
    std::vector<std::pair<GroupName, int>> asked;  // of this rank, by whom
    std::size_t next = 0;
    core::exchange(
        comm_, exchange_bytes_,
        [&](const core::Send& send) {
            for (std::size_t i = 0; i < kAtOnce && next < names.size(); ++i, ++next)
                send(owner_of(names[next]), bytes_of(names[next]));
            return next < names.size();
        },
        [&](int from, core::ByteView bytes) {
            each_of<GroupName>(bytes, [&](const GroupName& name) { asked.emplace_back(name, from); });
        });
    std::sort(asked.begin(), asked.end());
    std::vector<Share> owned = here.all();
    std::sort(owned.begin(), owned.end(), [](const Share& a, const Share& b) { return a.group < b.group; });
    std::size_t first = 0;  // the first share that is not of a group before the next that is asked for
    next = 0;
    core::exchange(
        comm_, exchange_bytes_,
        [&](const core::Send& send) {
            for (std::size_t i = 0; i < kAtOnce && next < asked.size(); ++i, ++next) {
                const auto& [name, rank] = asked[next];
                while (first < owned.size() && owned[first].group < name) ++first;
                for (std::size_t at = first; at < owned.size() && owned[at].group == name; ++at)
                    send(rank, bytes_of(owned[at]));
            }
            return next < asked.size();
        },
        [&](int, core::ByteView bytes) { each_of<Share>(bytes, [&](const Share& one) { back.add(one); }); });
}

}  // namespace staging
