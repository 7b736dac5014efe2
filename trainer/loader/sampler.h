#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace trainer {

// A run of samples that lie side by side in one shard, about 1 MB: what is read together.
struct Block {
    std::uint32_t shard = 0;
    std::int64_t first = 0;  // in the list of the shard's samples of the split
    std::int64_t count =
        0;  // of them; with balance (Draws) those from the first on that come more than `which` times
    std::uint32_t which = 0;  // where an epoch has the same samples several times
};

// Those of a shard with `count` samples of the split, at most `most` in each, each `times` over.
void add_blocks(std::vector<Block>& out, std::uint32_t shard, std::int64_t count, std::int64_t most,
                std::int64_t times);

// The order of one epoch: blocks shuffled over all shards, samples permuted within windows of 16 blocks, so
// that reading stays sequential while batches mix. A function of (blocks, seed, epoch): never of ranks,
// threads or call order. Memory: one entry per block and per window, not per sample.
class Sampler {
public:
    static constexpr std::size_t kWindowBlocks = 16;

    explicit Sampler(std::uint64_t seed) : seed_(seed) {}

    // Order::stored is `shuffle` false: blocks and samples as they are.
    void begin_epoch(std::vector<Block> blocks, std::int64_t epoch, bool shuffle);

    std::int64_t samples() const noexcept { return starts_.back(); }
    std::size_t windows() const noexcept { return starts_.size() - 1; }
    // Positions of the epoch that window `w` covers: [start(w), start(w + 1)).
    std::int64_t start(std::size_t window) const { return starts_[window]; }
    // The window that covers a position.
    std::size_t window_of(std::int64_t position) const;

    std::span<const Block> blocks(std::size_t window) const;
    // For sample i of the window (counted through its blocks in order), its position in the epoch relative to
    // start(window): a permutation.
    std::vector<std::uint32_t> places(std::size_t window) const;

private:
    std::vector<Block> blocks_;
    std::vector<std::int64_t> starts_{0};
    std::uint64_t seed_;
    std::int64_t epoch_ = 0;
    bool shuffle_ = false;
};

}  // namespace trainer
