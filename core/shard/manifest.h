#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/base/bytes.h"
#include "core/keys/keys.h"
#include "core/shard/codec.h"
#include "core/shard/schema.h"

namespace core {

// What the manifest says of one shard.
struct ShardEntry {
    std::string file;  // "shard-000003.h5", in the folder shards/ beside the manifest
    Digest sha256{};   // of the file, as read back after writing
    std::uint64_t bytes = 0;
    std::int64_t samples = 0;
    // Where `/index` lies in the file and the SHA-256 of its bytes: readers need no HDF5 library, and parse
    // nothing before its digest is right.
    std::uint64_t index_offset = 0, index_bytes = 0;
    Digest index_sha256{};
    // Samples per category, for every category column: counts["site"]["north"]. Missing is "".
    std::map<std::string, std::map<std::string, std::int64_t>> counts;
};

// One element of the manifest's `shards`. from_json throws Error(data), or the JSON library's exceptions, on
// anything that is not the entry of shard `number`.
nlohmann::ordered_json to_json(const ShardEntry& shard);
ShardEntry shard_from_json(const nlohmann::ordered_json& json, std::int64_t number);

// "shard-000003.h5". Throws Error(usage) unless 0 <= number < 1,000,000.
std::string shard_file(std::int64_t number);

// What a dataset version is. Written once by staging, small however large the dataset is.
struct Manifest {
    std::string dataset, version;  // "digits", "1"; spoken of as digits@1
    std::string key_id;            // SecretKey::id() of the dataset key: never a key
    Codec codec = Codec::none;
    Schema schema;
    std::vector<ShardEntry> shards;  // shard i is shard_file(i)
    // Records that their owners define (JSON objects; staging/deid and staging/pack say what is in them):
    nlohmann::ordered_json deidentification;  // profile, DICOM CID 7050 codes, software, key ids
    nlohmann::ordered_json risk;              // k-anonymity and the like; empty until stage 2 has run
    nlohmann::ordered_json splits;            // how they were made, samples and patients in each
    nlohmann::ordered_json parents;           // deliveries: [{"delivery","sha256",...}]

    std::string id() const { return dataset + "@" + version; }
    std::int64_t samples() const noexcept;
};

// Deterministic: equal manifests give equal text (keys in a fixed order, one space of indent, final newline).
std::string to_text(const Manifest& manifest);
// Throws Error(data) that names what is wrong; hostile input is expected. `what` names the file.
Manifest manifest_from_text(std::string_view text, const std::string& what);

// DIR/manifest.json, atomically, 0644.
void write_manifest(const std::filesystem::path& dir, const Manifest& manifest);

// DIR/manifest.sig.json: a DSSE envelope of {"dataset","version","manifest_sha256","sealed_at"} (payload type
// application/vnd.aloft.seal+json). Throws Error(usage) if the version is sealed already.
void seal_manifest(const std::filesystem::path& dir, const SigningKey& steward, std::int64_t now);

enum class Seal { required, optional };

// Reads DIR/manifest.json. With Seal::required, one of `stewards` must have sealed exactly these bytes, else
// Error(refused). With Seal::optional a dataset without manifest.sig.json opens too; a seal that is there
// must be valid, unless `stewards` is empty: then nobody can tell, and it is not looked at.
Manifest open_manifest(const std::filesystem::path& dir, const std::vector<VerifyKey>& stewards, Seal seal);

// DIR/shards/FILE.
std::filesystem::path shard_path(const std::filesystem::path& dir, const ShardEntry& entry);

}  // namespace core
