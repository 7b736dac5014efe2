#include "trainer/loader/dataset.h"

#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <cmath>
#include <cstdlib>

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

// How many shards are held open of a dataset: as $ALOFT_OPEN_SHARDS says, else half as many as the process may have files,
// which leaves the rest to what else it does. A shard that is open is one mapping, and some 40 bytes a sample.
std::size_t shards_to_hold() {
    constexpr rlim_t kFewest = 8,
                     kMost = 1024;  // of 65,530 mappings (vm.max_map_count) that a process may have
    const char* const said = std::getenv("ALOFT_OPEN_SHARDS");
    if (said && *said) {
        const std::string_view text(said);
        std::size_t out = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
        if (error != std::errc() || end != text.data() + text.size() || out == 0)
            throw Error(Fault::usage, "ALOFT_OPEN_SHARDS: expected how many shards may be open, 1 or more");
        return out;
    }
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return kFewest;
    return std::clamp(files.rlim_cur / 2, kFewest, kMost);
}

std::vector<bool> missing_of(const core::ColumnData& column) {
    std::vector<bool> out;
    for (const std::int32_t code : column.codes) out.push_back(code == core::kMissingCategory);
    for (const std::int64_t value : column.integers) out.push_back(value == core::kMissingInteger);
    for (const double value : column.numbers) out.push_back(!std::isfinite(value));
    return out;
}

}  // namespace

core::ColumnData OpenShard::column(std::size_t column) const {
    core::ColumnData out;
    if (column >= columns->size()) {  // kDatasetColumn
        out.codes.assign(static_cast<std::size_t>(reader.samples()), dataset);
        return out;
    }
    const ColumnOf& of = (*columns)[column];
    out = reader.column(of.own);
    if (!of.codes.empty())
        for (std::int32_t& code : out.codes)
            if (code != core::kMissingCategory) code = of.codes.at(static_cast<std::size_t>(code));
    return out;
}

Dataset::Dataset(std::filesystem::path dir, core::SecretKey key, const std::vector<core::VerifyKey>& stewards,
                 core::Seal seal)
    : Dataset(core::Version(std::move(dir), stewards, seal), std::move(key)) {}

Dataset::Dataset(core::Version version, core::SecretKey key)
    : most_open_(shards_to_hold()), open_(most_open_) {
    version.authenticate(key);
    take(std::make_shared<const Opened>(Opened{std::move(key), std::move(version)}));
    join_parts();
}

Dataset::Dataset(const std::vector<const Dataset*>& datasets)
    : most_open_(shards_to_hold()), open_(most_open_) {
    for (const Dataset* each : datasets) {
        if (each->rule_ || !each->needed_.empty())
            throw Error(Fault::bug, "a dataset was split anew before it was read as one with others");
        for (const Part& part : each->parts_) take(part.from);
    }
    join_parts();
}

void Dataset::take(std::shared_ptr<const Opened> from) {
    const core::Version& version = from->version;
    std::int64_t first = first_.empty() ? 0 : first_.back() + counted_.back().samples;
    parts_.push_back({from, counted_.size(), first, {}});
    for (std::int64_t page = 0; page < version.pages(); ++page)
        for (const core::ShardEntry& entry : version.page(page, from->key)) {
            Counted counted{entry.samples, {}};
            const auto counts = entry.counts.find("split");
            if (counts == entry.counts.end())
                throw Error(Fault::data, version.manifest().id() +
                                             ": the manifest does not count the samples of each split");
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
}

void Dataset::join_parts() {
    std::vector<const core::Manifest*> manifests;
    for (const Part& part : parts_) manifests.push_back(&part.from->version.manifest());
    Joined joined = join(manifests);
    schema_ = std::move(joined.schema);
    for (std::size_t i = 0; i < parts_.size(); ++i) parts_[i].columns = std::move(joined.columns[i]);
}

std::string Dataset::id(std::string_view between) const {
    std::string out;
    for (std::size_t i = 0; i < parts_.size(); ++i)
        out += (i == 0 ? "" : std::string(between)) + manifest(i).id();
    return out;
}

core::SealState Dataset::seal() const noexcept {
    core::SealState least = core::SealState::valid;
    for (const Part& part : parts_) least = std::min(least, part.from->version.seal());
    return least;
}

std::size_t Dataset::part_of(std::size_t shard) const {
    const auto after =
        std::upper_bound(parts_.begin(), parts_.end(), shard,
                         [](std::size_t at, const Part& part) { return at < part.first_shard; });
    // Of several that begin there the last: those before it have no shards.
    return static_cast<std::size_t>(after - parts_.begin()) - 1;
}

std::string Dataset::name_of(std::size_t shard) const {
    const std::size_t at = part_of(shard);
    return (parts_.size() > 1 ? manifest(at).id() + ' ' : "") +
           core::shard_file(static_cast<std::int64_t>(shard - parts_[at].first_shard));
}

void Dataset::check_same_names(const std::string& column) const {
    const core::Column& all = schema().columns[schema().column(column)];
    if (column == kDatasetColumn || all.type != core::ColumnType::category) return;
    for (std::size_t i = 0; i < parts_.size(); ++i)
        for (const std::string& name : all.names) {
            const core::Schema& own = manifest(i).schema;
            if (own.columns[own.column(column)].code_of(name) == core::kMissingCategory)
                throw Error(Fault::usage, id() + " are not alike: " + manifest(i).id() + " has no category " +
                                              name + " in the column " + column);
        }
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

std::shared_ptr<const OpenShard> Dataset::shard(std::size_t shard) const {
    return open_.get(shard, [&] {
        try {
            return open(shard);
        } catch (const Error& e) {
            if (parts_.size() == 1) throw;
            throw Error(e.fault(), manifest(part_of(shard)).id() + ": " + e.what());
        }
    });
}

std::shared_ptr<const OpenShard> Dataset::open(std::size_t shard) const {
    const std::size_t at = part_of(shard);
    const Part& part = parts_[at];
    const core::Version& version = part.from->version;
    const auto number = static_cast<std::int64_t>(shard - part.first_shard);
    core::ShardReader reader(version.shard_path(number), version.shard(number), version.manifest().schema,
                             version.manifest().id(), number, part.from->key);
    auto out = std::make_shared<OpenShard>(
        OpenShard{std::move(reader), &part.columns, static_cast<std::int32_t>(at), {}, {}, {}, {}});
    const auto codes = [&](const char* column) {
        if (schema().has_column(column) &&
            schema().columns[schema().column(column)].type == core::ColumnType::category)
            return out->column(schema().column(column)).codes;
        return std::vector<std::int32_t>(static_cast<std::size_t>(out->reader.samples()),
                                         core::kMissingCategory);
    };
    out->split = codes("split"), out->site = codes("site"), out->vendor = codes("vendor");
    out->patient = out->column(schema().column("patient")).ids;
    if (rule_) out->split = rule_(*out);
    for (const std::string& column : needed_) {
        if (!may_miss(column, shard)) continue;
        const auto missing = missing_of(out->column(schema().column(column)));
        for (std::size_t i = 0; i < missing.size(); ++i)
            if (missing[i]) out->split[i] = core::kMissingCategory;
    }
    return out;
}

void Dataset::split_anew(SplitRule rule, const std::vector<SplitCounts>& counted) {
    rule_ = std::move(rule);
    for (std::size_t i = 0; i < shards(); ++i) counted_[i].split = counted.at(i);
    open_.clear();
}

std::int64_t Dataset::samples_of(const Part& part, const std::string& split) const {
    std::int64_t out = 0;
    for (std::int64_t i = 0; i < part.from->version.shards(); ++i)
        out += samples(part.first_shard + static_cast<std::size_t>(i), split);
    return out;
}

std::optional<core::Moments> Dataset::moments(const std::string& split, const std::string& field) const {
    if (rule_) return std::nullopt;
    std::optional<core::Moments> all;
    for (const Part& part : parts_) {
        std::optional<core::Moments> own;
        for (std::int64_t page = 0; page < part.from->version.pages(); ++page) {
            const core::SplitMoments here = part.from->version.record(page, part.from->key).moments;
            const auto fields = here.find(split);
            if (fields == here.end()) continue;
            const auto found = fields->second.find(field);
            if (found == fields->second.end()) continue;
            if (!own) own.emplace();
            own->merge(found->second);
        }
        if (!own && parts_.size() > 1 && samples_of(part, split) > 0) return std::nullopt;
        if (own && all)
            all->merge(*own);
        else if (own)
            all = own;
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
bool Dataset::may_miss(const std::string& column, std::size_t shard) const {
    if (schema().columns[schema().column(column)].type != core::ColumnType::category) return true;
    const auto shards = incomplete_.find(column);
    return shards != incomplete_.end() &&
           std::binary_search(shards->second.begin(), shards->second.end(), shard);
}

std::vector<std::size_t> Dataset::incomplete(const std::string& column) const {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < shards(); ++i)
        if (may_miss(column, i)) out.push_back(i);
    return out;
}

std::map<std::string, std::int64_t> Dataset::without(const std::string& column,
                                                     const std::string& split) const {
    std::map<std::string, std::int64_t> out;
    const std::int32_t code = schema().columns[schema().column("split")].code_of(split);
    if (code == core::kMissingCategory) return out;
    for (const std::size_t number : incomplete(column)) {
        const auto open = shard(number);
        const auto missing = missing_of(open->column(schema().column(column)));
        for (std::size_t i = 0; i < missing.size(); ++i)
            if (missing[i] && open->split[i] == code)
                ++out[open->site[i] == core::kMissingCategory
                          ? ""
                          : schema().columns[schema().column("site")].names[static_cast<std::size_t>(
                                open->site[i])]];
    }
    return out;
}

void Dataset::leave_out(const std::string& column) {
    const std::size_t at = schema().column(column);
    const auto& splits = schema().columns[schema().column("split")].names;
    for (const std::size_t number : incomplete(column)) {
        const auto open = shard(number);
        const auto missing = missing_of(open->column(at));
        for (std::size_t i = 0; i < missing.size(); ++i) {
            if (!missing[i] || open->split[i] == core::kMissingCategory) continue;
            const std::size_t place = place_of(splits[static_cast<std::size_t>(open->split[i])]);
            --counted_[number].split[place];
            ++left_out_[place];
        }
    }
    needed_.push_back(column);
    open_.clear();
}

std::int64_t Dataset::left_out(const std::string& split) const {
    return left_out_[place_of(split)];
}

core::ColumnData Dataset::gather(std::optional<std::size_t> column, const std::string& split) const {
    const auto count = static_cast<std::size_t>(samples(split));  // throws if there is no such split
    const std::int32_t code = schema().columns[schema().column("split")].code_of(split);
    core::ColumnData out;
    for (std::size_t shard = 0; shard < shards(); ++shard) {
        const auto open = this->shard(shard);
        core::ColumnData part;
        if (column) part = open->column(*column);
        for (std::size_t i = 0; i < open->split.size(); ++i) {
            if (!split.empty() && open->split[i] != code) continue;
            if (!column) out.integers.push_back(first_sample(shard) + static_cast<std::int64_t>(i));
            if (!part.integers.empty()) out.integers.push_back(part.integers[i]);
            if (!part.numbers.empty()) out.numbers.push_back(part.numbers[i]);
            if (!part.codes.empty()) out.codes.push_back(part.codes[i]);
            if (!part.ids.empty()) out.ids.push_back(part.ids[i]);
        }
    }
    if (std::max({out.integers.size(), out.numbers.size(), out.codes.size(), out.ids.size()}) != count)
        throw Error(Fault::data,
                    id() + ": /columns/split: the manifest counts other samples than the shards have");
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
