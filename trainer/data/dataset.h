#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/keys/keys.h"
#include "core/shard/manifest.h"
#include "core/shard/reader.h"

namespace trainer {

// A shard that is open, with the columns that batches carry.
struct OpenShard {
    core::ShardReader reader;
    std::vector<std::int32_t> split, site, vendor;
    std::vector<core::Id16> patient;
};

// A dataset version in a folder, with its key. Shards are opened when they are first needed, and stay open.
// Samples are numbered through the dataset: shard by shard, in stored order.
class Dataset {
public:
    // Throws Error(refused) if the seal is required and not there or not valid, or the key is not the
    // dataset's; Error(data) if the manifest is damaged.
    Dataset(std::filesystem::path dir, core::SecretKey key, const std::vector<core::VerifyKey>& stewards,
            core::Seal seal);

    const core::Manifest& manifest() const noexcept { return manifest_; }
    const core::Schema& schema() const noexcept { return manifest_.schema; }
    std::size_t shards() const noexcept { return manifest_.shards.size(); }

    // Samples of a split, per the manifest. Throws Error(usage) if there is no such split.
    std::int64_t samples(const std::string& split) const;
    std::int64_t samples(std::size_t shard, const std::string& split) const;
    std::int64_t first_sample(std::size_t shard) const { return first_[shard]; }

    // Opens it on first use; safe to call from many threads. Throws Error(data) that names the shard.
    const OpenShard& shard(std::size_t shard) const;

private:
    std::filesystem::path dir_;
    core::SecretKey key_;
    core::Manifest manifest_;
    std::vector<std::int64_t> first_;
    mutable std::mutex mutex_;
    mutable std::vector<std::unique_ptr<OpenShard>> open_;
};

}  // namespace trainer
