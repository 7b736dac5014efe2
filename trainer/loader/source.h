#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "trainer/loader/raw_loader.h"

namespace trainer {

// Codes of a dataset's category as codes of all datasets' names; empty: as they are.
using CodeMap = std::vector<std::int32_t>;

// A shard's samples of the split, with the columns that batches carry.
struct Rows {
    const OpenShard* shard = nullptr;
    std::int64_t dataset = 0;                          // which
    std::int64_t first_sample = 0;                     // the shard's first, as its number in the dataset
    std::int64_t first_of_all = 0;                     // and through all datasets
    const CodeMap *site = nullptr, *vendor = nullptr;  // null: no such column
    std::vector<std::uint32_t> rows;                   // in the shard
    core::ColumnData labels;
    std::vector<std::vector<double>> targets;  // of each column

    std::int64_t sample(std::uint32_t row) const noexcept { return first_sample + row; }
    // Writes what the columns say of row `row` of the shard into row `to` of the batch.
    void tell(std::uint32_t row, RawBatch& batch, std::size_t to) const;
};

// The samples of one split of one dataset or of several, shard after shard in stored order, and their columns. Several
// have the same fields, in type, shape and unit, and the same columns; categories are one by their names: those of the
// first dataset, then what each further one has besides. Nobody knows who is in two of them: pseudonyms are of one each.
class Source {
public:
    // Throws Error(usage) if there is no such split, or no samples in it; if the label or a target is no column, or one of
    // pseudonyms; if the datasets differ, with what; if two are versions of one. They must outlive this.
    Source(std::vector<const Dataset*> datasets, const std::string& split, const std::string& label,
           const std::vector<std::string>& targets);

    // Of all: fields are the first dataset's.
    const core::Schema& schema() const noexcept { return schema_; }
    const std::string& split() const noexcept { return split_; }
    const core::Column* label() const noexcept { return label_ ? &schema().columns[*label_] : nullptr; }
    std::size_t targets() const noexcept { return targets_.size(); }
    std::size_t shards() const noexcept { return first_.size() - 1; }
    // Of a shard its samples of the split: [first(shard), first(shard + 1)) of all.
    std::int64_t first(std::size_t shard) const { return first_[shard]; }
    std::int64_t samples(std::size_t shard) const { return first_[shard + 1] - first_[shard]; }
    std::int64_t samples() const noexcept { return first_.back(); }

    // Opens the shard on first use; many threads may call it. Throws Error(data) that names the shard.
    const Rows& rows(std::size_t shard);
    // Codes of a category of all samples, in stored order: reads a little of every shard. Throws Error(usage) if there
    // is no such column or it holds no categories.
    std::vector<std::int32_t> codes(const std::string& column) const;

    [[noreturn]] void refuse(const std::string& text) const;  // Error(usage) that names the dataset

private:
    struct Part {
        const Dataset* dataset;
        std::size_t first_shard;
        std::int64_t first_sample;   // through all datasets, of all splits
        std::vector<CodeMap> codes;  // of each of schema()'s columns
    };
    std::size_t told(const std::string& column, const char* as) const;
    void add(const Dataset& dataset);
    void compare(const Dataset& dataset) const;
    std::size_t part_of(std::size_t shard) const;
    // A column of schema(), of a shard.
    core::ColumnData column(const Part& part, const OpenShard& shard, std::size_t column) const;

    core::Schema schema_;
    std::vector<Part> parts_;
    const std::string split_;
    std::optional<std::size_t> label_;
    std::vector<std::size_t> targets_;
    std::vector<std::int64_t> first_{0};
    std::vector<Rows> rows_;
    std::unique_ptr<std::once_flag[]> once_;
};

}  // namespace trainer
