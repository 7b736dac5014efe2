#include "trainer/data/dataset.h"

#include <algorithm>

#include "core/base/error.h"

namespace trainer {

using core::Error;
using core::Fault;

Dataset::Dataset(std::filesystem::path dir, core::SecretKey key, const std::vector<core::VerifyKey>& stewards,
                 core::Seal seal)
    : dir_(std::move(dir)),
      key_(std::move(key)),
      manifest_(core::open_manifest(dir_, stewards, seal)),
      open_(manifest_.shards.size()) {
    if (key_.id() != manifest_.key_id)
        throw Error(Fault::refused, manifest_.id() +
                                        ": the key is not this dataset's. Ask for the key of exactly "
                                        "this version.");
    std::int64_t first = 0;
    for (const auto& shard : manifest_.shards) {
        first_.push_back(first);
        first += shard.samples;
    }
}

std::int64_t Dataset::samples(const std::string& split) const {
    std::int64_t total = 0;
    for (std::size_t i = 0; i < shards(); ++i) total += samples(i, split);
    return total;
}

std::int64_t Dataset::samples(std::size_t shard, const std::string& split) const {
    const core::ShardEntry& entry = manifest_.shards.at(shard);
    if (split.empty()) return entry.samples;
    if (std::find(std::begin(core::kSplits), std::end(core::kSplits), split) == std::end(core::kSplits))
        throw Error(Fault::usage,
                    "there is no split \"" + split + "\"; there are train, validation, test, hidden");
    const auto counts = entry.counts.find("split");
    if (counts == entry.counts.end())
        throw Error(Fault::data, manifest_.id() + ": the manifest does not count the samples of each split");
    const auto found = counts->second.find(split);
    return found == counts->second.end() ? 0 : found->second;
}

const OpenShard& Dataset::shard(std::size_t shard) const {
    const std::lock_guard lock(mutex_);
    auto& open = open_.at(shard);
    if (!open) {
        const core::ShardEntry& entry = manifest_.shards[shard];
        core::ShardReader reader(core::shard_path(dir_, entry), entry, schema(), manifest_.id(),
                                 static_cast<std::int64_t>(shard), key_);
        auto split = reader.column(schema().column("split")).codes;
        auto site = reader.column(schema().column("site")).codes;
        auto vendor = reader.column(schema().column("vendor")).codes;
        auto patient = reader.column(schema().column("patient")).ids;
        open.reset(new OpenShard{std::move(reader), std::move(split), std::move(site), std::move(vendor),
                                 std::move(patient)});
    }
    return *open;
}

}  // namespace trainer
