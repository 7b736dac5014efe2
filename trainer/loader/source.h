#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "trainer/loader/raw_loader.h"

namespace trainer {

// A shard's samples of the split, with the columns that batches carry.
struct Rows {
    std::vector<std::uint32_t> rows;  // in the shard
    core::ColumnData labels;
    std::vector<std::vector<double>> targets;  // of each column
};

// Those of a shard that is open.
struct OpenRows {
    std::shared_ptr<const OpenShard> shard;
    std::shared_ptr<const Rows> rows;
    std::int64_t first_sample = 0;  // the shard's first, as its number in its dataset
    std::int64_t first_of_all = 0;  // and through all datasets

    std::int64_t sample(std::uint32_t row) const noexcept { return first_sample + row; }
    // Writes what the columns say of row `row` of the shard into row `to` of the batch.
    void tell(std::uint32_t row, RawBatch& batch, std::size_t to) const;
};

// The samples of one split of a dataset, or of several read as one, shard after shard in stored order, and their columns.
class Source {
public:
    // Throws Error(usage) if there is no such split, or no samples in it; if the label or a target is no column, or one of
    // pseudonyms. The dataset must outlive this.
    Source(const Dataset& dataset, const std::string& split, const std::string& label,
           const std::vector<std::string>& targets);

    const core::Schema& schema() const noexcept { return dataset_.schema(); }
    const std::string& split() const noexcept { return split_; }
    const core::Column* label() const noexcept { return label_ ? &schema().columns[*label_] : nullptr; }
    std::size_t targets() const noexcept { return targets_.size(); }
    std::size_t shards() const noexcept { return first_.size() - 1; }
    // Of a shard its samples of the split: [first(shard), first(shard + 1)) of all.
    std::int64_t first(std::size_t shard) const { return first_[shard]; }
    std::int64_t samples(std::size_t shard) const { return first_[shard + 1] - first_[shard]; }
    std::int64_t samples() const noexcept { return first_.back(); }

    // Opens the shard unless it is open; many threads may call it. Throws Error(data) that names the shard.
    OpenRows rows(std::size_t shard);
    // Codes of a category of all samples, in stored order: reads a little of every shard. Throws Error(usage) if there
    // is no such column or it holds no categories.
    std::vector<std::int32_t> codes(const std::string& column) const;

    [[noreturn]] void refuse(const std::string& text) const;  // Error(usage) that names the dataset

private:
    std::size_t told(const std::string& column, const char* as) const;
    std::shared_ptr<const Rows> find(std::size_t shard, const OpenShard& open) const;

    const Dataset& dataset_;
    const std::string split_;
    std::optional<std::size_t> label_;
    std::vector<std::size_t> targets_;
    std::vector<std::int64_t> first_{0};
    Kept<Rows> rows_;
};

}  // namespace trainer
