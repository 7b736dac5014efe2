#include "staging/pool/parts.h"

#include <cstring>

#include "core/mpi/exchange.h"

namespace staging {

void RankParts::sum(std::span<std::int64_t> numbers) const {
    core::check_mpi(MPI_Allreduce(MPI_IN_PLACE, numbers.data(), static_cast<int>(numbers.size()), MPI_INT64_T,
                                  MPI_SUM, comm_.get()),
                    "add up what ranks have counted");
}

void RankParts::bring(const std::vector<Share>& mine, Shares& here) const {
    static_assert(std::is_trivially_copyable_v<Share>);
    constexpr std::size_t kAtOnce = 64;  // shares; each is sent by itself
    const auto ranks = static_cast<std::uint64_t>(comm_.size());
    std::size_t next = 0;
    core::exchange(
        comm_, exchange_bytes_,
        [&](const core::Send& send) {
            for (std::size_t i = 0; i < kAtOnce && next < mine.size(); ++i, ++next)
                // Another part of the hash than that by which Shares finds its place.
                send(static_cast<int>((hash_of(mine[next].group) >> 32) % ranks),
                     {reinterpret_cast<const std::uint8_t*>(&mine[next]), sizeof(Share)});
            return next < mine.size();
        },
        [&](int, core::ByteView bytes) {
            for (std::size_t at = 0; at < bytes.size(); at += sizeof(Share)) {
                Share share;
                std::memcpy(&share, bytes.data() + at, sizeof share);
                here.add(share);
            }
        });
}

}  // namespace staging
