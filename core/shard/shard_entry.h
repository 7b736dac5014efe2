#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "core/base/bytes.h"
#include "core/shard/crypto.h"
#include "core/shard/moments.h"

namespace core {

// What the manifest says of one shard.
struct ShardEntry {
    int format = kFormat;
    std::string file;  // "shard-000003.h5", in the folder shards/ beside the manifest
    Digest sha256{};   // of the file, as read back after writing
    std::uint64_t bytes = 0;
    std::int64_t samples = 0;
    // Where `/index` lies in the file and the SHA-256 of its bytes: readers need no HDF5 library, and parse
    // nothing before its digest is right.
    std::uint64_t index_offset = 0, index_bytes = 0;
    Digest index_sha256{};
    // Samples per category, for every category column: counts["site"]["north"]. Missing is "". In a shard of
    // one sample that is the sample: known to the writer and to who has the key, empty for others.
    Counts counts;
    SplitMoments moments;  // known to the writer only: of its samples, by split and field
};

// As staging keeps a shard's entry until the manifest is written, with counts and moments, and as format 1 had
// it in the manifest, without moments. from_json throws Error(data), or the JSON library's exceptions, on
// anything that is not the entry of shard `number`.
nlohmann::ordered_json to_json(const ShardEntry& shard);
ShardEntry shard_from_json(const nlohmann::ordered_json& json, std::int64_t number);
// Without counts and moments: as it stands in a page of the manifest.
nlohmann::ordered_json to_open_json(const ShardEntry& shard);
ShardEntry shard_from_open_json(const nlohmann::ordered_json& json, std::int64_t number);
// Throws as shard_from_json unless they are those of `samples` samples.
Counts counts_from_json(const nlohmann::ordered_json& json, std::int64_t samples);

inline constexpr std::int64_t kMaxShards = 10'000'000;
// "shard-000003.h5", with more digits from a million on. Throws Error(usage) unless 0 <= number < kMaxShards.
std::string shard_file(std::int64_t number);

// The JSON library would take -1 and 1.5 too, and change them. Throws Error(data).
std::uint64_t natural_from_json(const nlohmann::ordered_json& json);
std::int64_t count_from_json(const nlohmann::ordered_json& json);
Digest digest_from_json(const nlohmann::ordered_json& json);

}  // namespace core
