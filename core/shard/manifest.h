#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/base/bytes.h"
#include "core/keys/keys.h"
#include "core/shard/codec.h"
#include "core/shard/page.h"
#include "core/shard/schema.h"
#include "core/shard/shard_entry.h"

namespace core {

// What a dataset version is. Written once by staging, small however large the dataset is: its shards are
// listed in pages (version.h reads them).
struct Manifest {
    int format = kFormat;
    std::string dataset, version;  // "digits", "1"; spoken of as digits@1
    std::string key_id;            // SecretKey::id() of the dataset key: never a key
    Codec codec = Codec::none;
    Schema schema;
    // Records that their owners define (JSON objects; staging says what is in them):
    nlohmann::ordered_json deidentification;  // profile, DICOM CID 7050 codes, software, key ids
    nlohmann::ordered_json risk;              // k-anonymity and the like; empty until stage 2 has run
    nlohmann::ordered_json splits;            // how they were made, samples and patients in each
    nlohmann::ordered_json parents;           // deliveries: [{"delivery","sha256",...}]
    // Filled by ManifestWriter, as published() says: rounded.
    nlohmann::ordered_json counts;   // column -> category -> samples
    nlohmann::ordered_json moments;  // split -> field -> mean, deviation, least, greatest
    std::vector<PageEntry> pages;
    // Of format 1, which lists its shards in the manifest; shard i is shard_file(i).
    std::vector<ShardEntry> listed;

    std::string id() const { return dataset + "@" + version; }
    std::int64_t shards() const noexcept;
    std::int64_t samples() const noexcept;
    std::uint64_t bytes() const noexcept;  // of all shards
};

// Deterministic: equal manifests give equal text (keys in a fixed order, one space of indent, final newline).
std::string to_text(const Manifest& manifest);
// The same with the key's mark on it (FORMAT.md, "mac"): who has the dataset's key can tell that the manifest
// was written by somebody who had it too.
std::string to_text(const Manifest& manifest, const SecretKey& dataset_key);
// Whether the text bears the key's mark. A text of format 1 has none: nothing.
std::optional<bool> is_marked(std::string_view text, const Manifest& manifest, const SecretKey& dataset_key);
// Throws Error(data) that names what is wrong; hostile input is expected. `what` names the file.
Manifest manifest_from_text(std::string_view text, const std::string& what);

}  // namespace core
