#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/keys/keys.h"
#include "core/shard/shard_entry.h"

namespace core {

// Shards are listed in pages, each a file of its own that the manifest names by digest, so that a rank of a
// job reads what it needs of a version of a million shards. Every page but the last is full.
inline constexpr std::int64_t kShardsPerPage = 1000;

// What the manifest says of one page.
struct PageEntry {
    std::string file;  // "page-000003.json", in the folder pages/ beside the manifest
    Digest sha256{};
    std::int64_t shards = 0, samples = 0;
    std::uint64_t bytes = 0;  // of the shards
};
nlohmann::ordered_json to_json(const PageEntry& page);
PageEntry page_from_json(const nlohmann::ordered_json& json,
                         std::int64_t number);  // throws as shard_from_json
std::string page_file(std::int64_t number);

// What of a page is for those who have the dataset's key: each shard's counts, and its moments merged.
struct PageRecord {
    std::vector<Counts> counts;
    SplitMoments moments;
};

struct Page {
    std::vector<ShardEntry> shards;  // without counts and moments
    Bytes sealed;                    // the record, as a chunk (chunk.h) under keys of the page
};

// The page's file: shards with counts and moments, all of them of `dataset` ("digits@1"). Equal input gives
// equal text.
std::string page_text(const std::string& dataset, std::int64_t number, const std::vector<ShardEntry>& shards,
                      const SecretKey& dataset_key);
// Throws Error(data) on anything else than page `number` of `dataset`; `what` names the file. Hostile input is
// expected.
Page page_from_text(std::string_view text, const std::string& dataset, std::int64_t number,
                    const std::string& what);
// Throws Error(data) if the key is another one, or the record was changed or is not that of these shards.
PageRecord open_record(const Page& page, const std::string& dataset, std::int64_t number,
                       const SecretKey& dataset_key, const std::string& what);

}  // namespace core
