#include "trainer/loader/dataset.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <numeric>

#include "core/base/error.h"

namespace trainer {

using core::Error;
using core::Fault;

namespace {

std::size_t place_of(const std::string& split) {
    const auto found = std::find(std::begin(core::kSplits), std::end(core::kSplits), split);
    if (found == std::end(core::kSplits))
        throw Error(Fault::usage,
                    "there is no split \"" + split + "\"; there are train, validation, test, hidden");
    return static_cast<std::size_t>(found - std::begin(core::kSplits));
}

std::vector<bool> missing_of(const core::ColumnData& column) {
    std::vector<bool> out;
    for (const std::int32_t code : column.codes) out.push_back(code == core::kMissingCategory);
    for (const std::int64_t value : column.integers) out.push_back(value == core::kMissingInteger);
    for (const double value : column.numbers) out.push_back(!std::isfinite(value));
    return out;
}

}  // namespace

Dataset::Dataset(std::filesystem::path dir, core::SecretKey key, const std::vector<core::VerifyKey>& stewards,
                 core::Seal seal)
    : Dataset(core::Version(std::move(dir), stewards, seal), std::move(key)) {}

Dataset::Dataset(core::Version version, core::SecretKey key)
    : key_(std::move(key)), version_(std::move(version)) {
    version_.authenticate(key_);
    std::int64_t first = 0;
    for (std::int64_t page = 0; page < version_.pages(); ++page)
        for (const core::ShardEntry& entry : version_.page(page, key_)) {
            Counted counted{entry.samples, {}};
            const auto counts = entry.counts.find("split");
            if (counts == entry.counts.end())
                throw Error(Fault::data,
                            manifest().id() + ": the manifest does not count the samples of each split");
            for (std::size_t i = 0; i < std::size(core::kSplits); ++i)
                if (const auto found = counts->second.find(std::string(core::kSplits[i]));
                    found != counts->second.end()) {
                    if (found->second > INT32_MAX)
                        throw Error(Fault::data, entry.file + ": more than 2^31 samples");
                    counted.split[i] = static_cast<std::int32_t>(found->second);
                }
            for (const auto& [column, categories] : entry.counts)
                if (const auto none = categories.find(""); none != categories.end() && none->second > 0)
                    incomplete_[column].push_back(static_cast<std::uint32_t>(counted_.size()));
            counted_.push_back(counted);
            first_.push_back(first);
            first += entry.samples;
        }
    open_.resize(counted_.size());
}

std::int64_t Dataset::samples(const std::string& split) const {
    std::int64_t total = 0;
    for (std::size_t i = 0; i < shards(); ++i) total += samples(i, split);
    return total;
}

std::int64_t Dataset::samples(std::size_t shard, const std::string& split) const {
    const Counted& counted = counted_.at(shard);
    if (split.empty()) return counted.samples;
    return counted.split[place_of(split)];
}

const OpenShard& Dataset::shard(std::size_t shard) const {
    const std::lock_guard lock(mutex_);
    auto& open = open_.at(shard);
    if (!open) {
        const auto number = static_cast<std::int64_t>(shard);
        core::ShardReader reader(version_.shard_path(number), version_.shard(number), schema(),
                                 manifest().id(), number, key_);
        const auto codes = [&](const char* column) {
            if (schema().has_column(column) &&
                schema().columns[schema().column(column)].type == core::ColumnType::category)
                return reader.column(schema().column(column)).codes;
            return std::vector<std::int32_t>(static_cast<std::size_t>(reader.samples()),
                                             core::kMissingCategory);
        };
        auto split = codes("split"), site = codes("site"), vendor = codes("vendor");
        auto patient = reader.column(schema().column("patient")).ids;
        open.reset(new OpenShard{std::move(reader), std::move(split), std::move(site), std::move(vendor),
                                 std::move(patient)});
        if (rule_) open->split = rule_(*open);
    }
    return *open;
}

void Dataset::split_anew(SplitRule rule, const std::vector<SplitCounts>& counted) {
    rule_ = std::move(rule);
    for (std::size_t i = 0; i < shards(); ++i) {
        counted_[i].split = counted.at(i);
        if (open_[i]) open_[i]->split = rule_(*open_[i]);
    }
}

std::optional<core::Moments> Dataset::moments(const std::string& split, const std::string& field) const {
    if (rule_) return std::nullopt;
    std::optional<core::Moments> all;
    for (std::int64_t page = 0; page < version_.pages(); ++page) {
        const core::SplitMoments here = version_.record(page, key_).moments;
        const auto fields = here.find(split);
        if (fields == here.end()) continue;
        const auto found = fields->second.find(field);
        if (found == fields->second.end()) continue;
        if (!all) all.emplace();
        all->merge(found->second);
    }
    return all;
}

core::ColumnData Dataset::column(const std::string& name, const std::string& split) const {
    return gather(schema().column(name), split);
}
core::ColumnData Dataset::numbers(const std::string& split) const {
    return gather(std::nullopt, split);
}

// The manifest counts the cells of categories only: of another column every shard may have some.
std::vector<std::uint32_t> Dataset::incomplete(const std::string& column) const {
    if (schema().columns[schema().column(column)].type == core::ColumnType::category) {
        const auto shards = incomplete_.find(column);
        return shards == incomplete_.end() ? std::vector<std::uint32_t>() : shards->second;
    }
    std::vector<std::uint32_t> all(shards());
    std::iota(all.begin(), all.end(), std::uint32_t{0});
    return all;
}

std::map<std::string, std::int64_t> Dataset::without(const std::string& column,
                                                     const std::string& split) const {
    std::map<std::string, std::int64_t> out;
    const std::int32_t code = schema().columns[schema().column("split")].code_of(split);
    if (code == core::kMissingCategory) return out;
    for (const std::uint32_t number : incomplete(column)) {
        const OpenShard& open = shard(number);
        const auto missing = missing_of(open.reader.column(schema().column(column)));
        for (std::size_t i = 0; i < missing.size(); ++i)
            if (missing[i] && open.split[i] == code)
                ++out[open.site[i] == core::kMissingCategory
                          ? ""
                          : schema().columns[schema().column("site")].names[static_cast<std::size_t>(
                                open.site[i])]];
    }
    return out;
}

void Dataset::leave_out(const std::string& column) {
    const auto& splits = schema().columns[schema().column("split")].names;
    for (const std::uint32_t number : incomplete(column)) {
        shard(number);
        OpenShard& open = *open_[number];  // which stays open, and keeps what is written here
        const auto missing = missing_of(open.reader.column(schema().column(column)));
        for (std::size_t i = 0; i < missing.size(); ++i) {
            if (!missing[i] || open.split[i] == core::kMissingCategory) continue;
            const std::size_t place = place_of(splits[static_cast<std::size_t>(open.split[i])]);
            open.split[i] = core::kMissingCategory;
            --counted_[number].split[place];
            ++left_out_[place];
        }
    }
}

std::int64_t Dataset::left_out(const std::string& split) const {
    return left_out_[place_of(split)];
}

core::ColumnData Dataset::gather(std::optional<std::size_t> column, const std::string& split) const {
    const auto count = static_cast<std::size_t>(samples(split));  // throws if there is no such split
    const std::int32_t code = schema().columns[schema().column("split")].code_of(split);
    core::ColumnData out;
    for (std::size_t shard = 0; shard < shards(); ++shard) {
        const OpenShard& open = this->shard(shard);
        core::ColumnData part;
        if (column) part = open.reader.column(*column);
        for (std::size_t i = 0; i < open.split.size(); ++i) {
            if (!split.empty() && open.split[i] != code) continue;
            if (!column) out.integers.push_back(first_sample(shard) + static_cast<std::int64_t>(i));
            if (!part.integers.empty()) out.integers.push_back(part.integers[i]);
            if (!part.numbers.empty()) out.numbers.push_back(part.numbers[i]);
            if (!part.codes.empty()) out.codes.push_back(part.codes[i]);
            if (!part.ids.empty()) out.ids.push_back(part.ids[i]);
        }
    }
    if (std::max({out.integers.size(), out.numbers.size(), out.codes.size(), out.ids.size()}) != count)
        throw Error(
            Fault::data,
            manifest().id() + ": /columns/split: the manifest counts other samples than the shards have");
    return out;
}

std::vector<double> as_numbers(const core::ColumnData& column) {
    std::vector<double> out(column.numbers);
    for (const std::int64_t value : column.integers)
        out.push_back(value == core::kMissingInteger ? NAN : static_cast<double>(value));
    for (const std::int32_t code : column.codes)
        out.push_back(code == core::kMissingCategory ? NAN : static_cast<double>(code));
    return out;
}

}  // namespace trainer
