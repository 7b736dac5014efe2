#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/keys/keys.h"
#include "core/shard/reader.h"
#include "core/shard/version.h"
#include "trainer/loader/join.h"
#include "trainer/loader/kept.h"

namespace trainer {

// A shard that is open, with the columns that batches carry, in the codes of Dataset::schema.
struct OpenShard {
    core::ShardReader reader;
    const std::vector<ColumnOf>* columns;
    std::int32_t dataset;                           // which
    std::vector<std::int32_t> split, site, vendor;  // all missing where the dataset has no such column
    std::vector<core::Id16> patient;

    // A column of Dataset::schema. Throws Error(data).
    core::ColumnData column(std::size_t column) const;
};

// A dataset version in a folder, with its key; or several, read as one (join.h). Shards are opened when they are needed.
// Samples are numbered through all: dataset by dataset, shard by shard, in stored order.
class Dataset {
public:
    // Throws Error(refused) if the seal is required and not there or not valid, the key is not the dataset's, or
    // the manifest was not written with it; Error(data) if the manifest or a page of it is damaged.
    Dataset(std::filesystem::path dir, core::SecretKey key, const std::vector<core::VerifyKey>& stewards,
            core::Seal seal);
    Dataset(core::Version version, core::SecretKey key);
    // Of several, as they were opened; they need not live on. Throws Error(usage) if they do not fit (join).
    explicit Dataset(const std::vector<const Dataset*>& datasets);

    std::size_t datasets() const noexcept { return parts_.size(); }
    const core::Manifest& manifest(std::size_t which = 0) const {
        return parts_.at(which).from->version.manifest();
    }
    std::string id(std::string_view between = ", ") const;  // "digits@1", of several each
    // Of all: fields are the first dataset's, categories are one by their names, and kDatasetColumn says of which.
    const core::Schema& schema() const noexcept { return schema_; }
    core::SealState seal() const noexcept;  // the least of all
    std::size_t shards() const noexcept { return counted_.size(); }
    // How many shards are held open: those that were used last. What reads one keeps it open meanwhile.
    std::size_t most_open() const noexcept { return most_open_; }
    // "shard-000003.h5", with its dataset where there are several.
    std::string name_of(std::size_t shard) const;
    // The first sample of a dataset; a sample's number less that is its number in it.
    std::int64_t first_of(std::size_t which) const { return parts_.at(which).first_sample; }
    // Throws Error(usage), with what only one has, if a category has other names in one dataset than in another.
    void check_same_names(const std::string& column) const;

    // Samples of a split ("": of all), per the manifest. Throws Error(usage) if there is no such split.
    std::int64_t samples(const std::string& split) const;
    std::int64_t samples(std::size_t shard, const std::string& split) const;
    std::int64_t first_sample(std::size_t shard) const { return first_[shard]; }

    // Opens it unless it is open; safe to call from many threads. Throws Error(data) that names the shard.
    std::shared_ptr<const OpenShard> shard(std::size_t shard) const;

    // A column's values, or the samples' numbers (`integers`), of all samples of a split ("": of all) in stored
    // order. Throws Error(usage) if there is no such column or split.
    core::ColumnData column(const std::string& name, const std::string& split) const;
    core::ColumnData numbers(const std::string& split) const;

    // Of all elements of a field over a split, as the manifest's pages say; nothing where they do not (format 1).
    // Reads every page anew. Throws Error(data) if one is damaged.
    std::optional<core::Moments> moments(const std::string& split, const std::string& field) const;

    // Samples of a split whose cell of the column is empty or not finite: by name of their site, "" where that is
    // empty too. Of a category opens only shards of which the manifest says that they have some, else all.
    std::map<std::string, std::int64_t> without(const std::string& column, const std::string& split) const;
    // Such samples belong to no split from now on, whatever split they stand in. Before any loader is made.
    void leave_out(const std::string& column);
    // How many of a split that was.
    std::int64_t left_out(const std::string& split) const;

    // Samples stand in other splits from now on: `rule` gives the code of each of a shard's, of kSplits or
    // kMissingCategory, whenever it is opened, and must give the same each time. `counted`: how many that makes, by
    // shard. Once, before any loader is made. Moments and published counts are those of before: `moments` has none.
    using SplitRule = std::function<std::vector<std::int32_t>(const OpenShard&)>;
    using SplitCounts = std::array<std::int32_t, std::size(core::kSplits)>;
    void split_anew(SplitRule rule, const std::vector<SplitCounts>& counted);

private:
    struct Opened {
        core::SecretKey key;
        core::Version version;
    };
    struct Part {
        std::shared_ptr<const Opened> from;
        std::size_t first_shard;
        std::int64_t first_sample;
        std::vector<ColumnOf> columns;
    };
    void take(std::shared_ptr<const Opened> from);
    void join_parts();
    std::size_t part_of(std::size_t shard) const;
    std::shared_ptr<const OpenShard> open(std::size_t shard) const;
    std::int64_t samples_of(const Part& part, const std::string& split) const;
    bool may_miss(const std::string& column, std::size_t shard) const;     // some of its values
    std::vector<std::size_t> incomplete(const std::string& column) const;  // shards that may
    core::ColumnData gather(std::optional<std::size_t> column, const std::string& split) const;
    // All that is kept of a shard that is not open: there may be a million.
    struct Counted {
        std::int64_t samples;
        SplitCounts split;
    };
    std::vector<Part> parts_;
    core::Schema schema_;
    std::vector<Counted> counted_;
    std::vector<std::int64_t> first_;
    // Column -> shards that have samples without a value in it.
    std::map<std::string, std::vector<std::uint32_t>> incomplete_;
    std::array<std::int64_t, std::size(core::kSplits)> left_out_{};
    SplitRule rule_;                   // empty: the dataset's own splits
    std::vector<std::string> needed_;  // columns: samples without a value in one of them are in no split
    std::size_t most_open_;
    mutable Kept<OpenShard> open_;
};

// A column as numbers: of a category its codes; NaN where a value is missing.
std::vector<double> as_numbers(const core::ColumnData& column);

}  // namespace trainer
