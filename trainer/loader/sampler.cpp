#include "trainer/loader/sampler.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/base/error.h"
#include "trainer/loader/random.h"

namespace trainer {

void add_blocks(std::vector<Block>& out, std::uint32_t shard, std::int64_t count, std::int64_t most,
                std::int64_t times) {
    for (std::int64_t first = 0; first < count; first += most)
        for (std::int64_t which = 0; which < times; ++which)
            out.push_back({shard, first, std::min(most, count - first), static_cast<std::uint32_t>(which)});
}

void Sampler::begin_epoch(std::vector<Block> blocks, std::int64_t epoch, bool shuffle) {
    epoch_ = epoch;
    shuffle_ = shuffle;
    blocks_ = std::move(blocks);
    if (shuffle) Random(seed_, static_cast<std::uint64_t>(epoch), 0).shuffle(blocks_);
    starts_.assign(1, 0);
    for (std::size_t i = 0; i < blocks_.size(); i += kWindowBlocks) {
        std::int64_t count = 0;
        for (std::size_t k = i; k < std::min(i + kWindowBlocks, blocks_.size()); ++k)
            count += blocks_[k].count;
        starts_.push_back(starts_.back() + count);
    }
}

std::size_t Sampler::window_of(std::int64_t position) const {
    if (position < 0 || position >= samples())
        throw core::Error(core::Fault::bug, "a position outside the epoch was asked for");
    return static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), position) -
                                    starts_.begin()) -
           1;
}

std::span<const Block> Sampler::blocks(std::size_t window) const {
    const std::size_t from = window * kWindowBlocks;
    return std::span<const Block>(blocks_).subspan(from, std::min(kWindowBlocks, blocks_.size() - from));
}

std::vector<std::uint32_t> Sampler::places(std::size_t window) const {
    std::vector<std::uint32_t> places(static_cast<std::size_t>(start(window + 1) - start(window)));
    std::iota(places.begin(), places.end(), 0u);
    if (shuffle_) Random(seed_, static_cast<std::uint64_t>(epoch_), window + 1).shuffle(places);
    return places;
}

}  // namespace trainer
