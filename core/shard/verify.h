#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/keys/keys.h"
#include "core/shard/reader.h"
#include "core/shard/version.h"

namespace core {

// What `verify` does of a whole version, in parts that threads or ranks share: Version::authenticate once,
// verify_page for each page, verify_shard for each shard, verify_sums and strange_files once. Each throws
// Error(data) that names the first damage.

// Reads the whole file and checks everything: SHA-256, index, every tag, every payload, and the entry's counts
// if it has any. Names the first damage by file, dataset and sample (or says that it lies outside all samples).
void verify_shard(const std::filesystem::path& path, const ShardEntry& entry, const Schema& schema,
                  const std::string& dataset, std::int64_t number, const SecretKey& dataset_key);

// As much as can be told without the key: the file is the one that the manifest names, by its size and SHA-256.
void verify_file(const std::filesystem::path& path, const ShardEntry& entry);

// A page's sums, for verify_sums; `shards` are its entries with their counts.
struct VerifiedPage {
    std::vector<ShardEntry> shards;
    Counts counts;
    SplitMoments moments;
};
VerifiedPage verify_page(const Version& version, std::int64_t page, const SecretKey& dataset_key);

// That the manifest publishes what the pages say, all of them, in order (their shards are not looked at). Of
// format 1 there is nothing to compare.
void verify_sums(const Manifest& manifest, const std::vector<VerifiedPage>& pages);

// How many entries of shards/ and pages/ the manifest does not name: nobody reads them, and nobody knows what is
// in them.
std::int64_t strange_files(const Version& version);

}  // namespace core
