#include "trainer/loader/sampler.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/base/error.h"

namespace trainer {
namespace {

// SplitMix64 (Steele, Lea, Flood 2014). std::shuffle is not the same in every library; this is.
class Random {
public:
    Random(std::uint64_t seed, std::uint64_t epoch, std::uint64_t stream) : state_(seed) {
        state_ = next() ^ epoch;
        state_ = next() ^ stream;
    }
    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return z ^ (z >> 31);
    }
    // Uniform in [0, bound), without bias (Lemire 2019).
    std::uint64_t below(std::uint64_t bound) {
        __extension__ using Wide = unsigned __int128;
        Wide product = static_cast<Wide>(next()) * bound;
        if (static_cast<std::uint64_t>(product) < bound) {
            const std::uint64_t least = -bound % bound;
            while (static_cast<std::uint64_t>(product) < least) product = static_cast<Wide>(next()) * bound;
        }
        return static_cast<std::uint64_t>(product >> 64);
    }
    template <class T>
    void shuffle(std::vector<T>& items) {
        for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
    }

private:
    std::uint64_t state_;
};

}  // namespace

Sampler::Sampler(std::vector<Block> blocks, std::uint64_t seed) : stored_(std::move(blocks)), seed_(seed) {
    begin_epoch(0, false);
}

void Sampler::begin_epoch(std::int64_t epoch, bool shuffle) {
    epoch_ = epoch;
    shuffle_ = shuffle;
    blocks_ = stored_;
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
