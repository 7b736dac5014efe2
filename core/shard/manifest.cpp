#include "core/shard/manifest.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"

namespace core {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::string_view kSealType = "application/vnd.aloft.seal+json";
constexpr int kFormat = 1;

// Safe as a part of a path and in `digits@1`.
bool is_plain(std::string_view name) {
    return !name.empty() && name.size() <= 64 && name[0] != '.' && name[0] != '-' &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
           });
}

// A whole number that is not negative; the library would take -1 and 1.5 too, and change them.
std::uint64_t natural(const Json& json) {
    if (!json.is_number_unsigned()) throw Error(Fault::data, "a number is not a whole one, or negative");
    return json.get<std::uint64_t>();
}

std::int64_t count_from(const Json& json) {
    const std::uint64_t value = natural(json);
    if (value > INT64_MAX) throw Error(Fault::data, "a number of samples is not possible");
    return static_cast<std::int64_t>(value);
}

Digest digest_from(const Json& json) {
    const Bytes bytes = from_hex(json.get<std::string>());
    Digest digest;
    if (bytes.size() != digest.size()) throw Error(Fault::data, "a digest is not 32 bytes");
    std::copy(bytes.begin(), bytes.end(), digest.begin());
    return digest;
}

Json object_or_empty(const Json& json, const char* key) {
    return json.contains(key) ? json.at(key) : Json::object();
}

std::string read_manifest(const std::filesystem::path& dir) {
    return read_text(dir / "manifest.json", std::uint64_t{1} << 30);
}

}  // namespace

std::string shard_file(std::int64_t number) {
    if (number < 0 || number >= 1000000) throw Error(Fault::usage, "shards are numbered from 0 to 999999");
    char name[32];
    std::snprintf(name, sizeof name, "shard-%06lld.h5", static_cast<long long>(number));
    return name;
}

std::int64_t Manifest::samples() const noexcept {
    std::int64_t total = 0;
    for (const ShardEntry& shard : shards) total += shard.samples;
    return total;
}

nlohmann::ordered_json to_json(const ShardEntry& shard) {
    Json json = {{"file", shard.file},
                 {"sha256", to_hex(shard.sha256)},
                 {"bytes", shard.bytes},
                 {"samples", shard.samples},
                 {"index",
                  {{"offset", shard.index_offset},
                   {"bytes", shard.index_bytes},
                   {"sha256", to_hex(shard.index_sha256)}}},
                 {"counts", Json::object()}};
    for (const auto& [column, counts] : shard.counts) json["counts"][column] = counts;
    return json;
}

ShardEntry shard_from_json(const nlohmann::ordered_json& json, std::int64_t number) {
    ShardEntry shard;
    shard.file = json.at("file").get<std::string>();
    if (shard.file != shard_file(number))
        throw Error(Fault::data, "a shard's file is not named for its place");
    shard.sha256 = digest_from(json.at("sha256"));
    shard.bytes = natural(json.at("bytes"));
    shard.samples = count_from(json.at("samples"));
    const Json& index = json.at("index");
    shard.index_offset = natural(index.at("offset"));
    shard.index_bytes = natural(index.at("bytes"));
    shard.index_sha256 = digest_from(index.at("sha256"));
    if (shard.samples <= 0 || static_cast<std::uint64_t>(shard.samples) > shard.bytes)
        throw Error(Fault::data, "a shard's number of samples is not possible");
    for (const auto& [column, counts] : json.at("counts").items()) {
        std::int64_t total = 0;
        for (const auto& [category, count] : counts.items()) {
            const std::int64_t value = count_from(count);
            if (value > shard.samples - total)
                throw Error(Fault::data, "a shard's counts exceed its samples");
            total += value;
            shard.counts[column][category] = value;
        }
        if (total != shard.samples) throw Error(Fault::data, "a shard's counts are not those of its samples");
    }
    return shard;
}

std::string to_text(const Manifest& manifest) {
    Json json = {{"aloft_format", kFormat},           {"dataset", manifest.dataset},
                 {"version", manifest.version},       {"key_id", manifest.key_id},
                 {"codec", name_of(manifest.codec)},  {"samples", manifest.samples()},
                 {"schema", to_json(manifest.schema)}};
    const auto record = [&](const char* name, const Json& value) {
        json[name] = value.is_null() ? Json::object() : value;
    };
    record("splits", manifest.splits);
    record("deidentification", manifest.deidentification);
    record("risk", manifest.risk);
    json["parents"] = manifest.parents.is_null() ? Json::array() : manifest.parents;
    json["shards"] = Json::array();
    for (const ShardEntry& shard : manifest.shards) json["shards"].push_back(to_json(shard));
    return json.dump(1) + "\n";
}

Manifest manifest_from_text(std::string_view text, const std::string& what) {
    Manifest manifest;
    try {
        const Json json = Json::parse(text);
        if (json.at("aloft_format") != kFormat)
            throw Error(Fault::data, "is of a format version that this program does not know");
        manifest.dataset = json.at("dataset").get<std::string>();
        manifest.version = json.at("version").get<std::string>();
        if (!is_plain(manifest.dataset) || !is_plain(manifest.version))
            throw Error(Fault::data, "the dataset's name or version is not plain letters and digits");
        manifest.key_id = json.at("key_id").get<std::string>();
        manifest.codec = codec_of(json.at("codec").get<std::string>());
        manifest.schema = schema_from_json(json.at("schema"));
        manifest.splits = object_or_empty(json, "splits");
        manifest.deidentification = object_or_empty(json, "deidentification");
        manifest.risk = object_or_empty(json, "risk");
        manifest.parents = json.at("parents");
        std::int64_t number = 0;
        for (const Json& shard : json.at("shards"))
            manifest.shards.push_back(shard_from_json(shard, number++));
        if (count_from(json.at("samples")) != manifest.samples())
            throw Error(Fault::data, "the number of samples is not the sum of the shards'");
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::data, what + ": not a manifest: a part is missing or of another type");
    } catch (const Error& e) {
        throw Error(Fault::data, what + ": " + e.what());
    }
    return manifest;
}

void write_manifest(const std::filesystem::path& dir, const Manifest& manifest) {
    const std::string text = to_text(manifest);
    manifest_from_text(text, "the new manifest");  // what we could not open again is not written
    write_atomically(dir / "manifest.json", text, 0644);
}

void seal_manifest(const std::filesystem::path& dir, const SigningKey& steward, std::int64_t now) {
    const std::filesystem::path path = dir / "manifest.sig.json";
    if (::access(path.c_str(), F_OK) == 0)
        throw Error(Fault::usage, path.string() +
                                      ": this version is sealed already, and never changes. "
                                      "Build a new version instead.");
    const std::string text = read_manifest(dir);
    const Manifest manifest = manifest_from_text(text, (dir / "manifest.json").string());
    const Json seal = {{"dataset", manifest.dataset},
                       {"version", manifest.version},
                       {"manifest_sha256", to_hex(sha256(view(text)))},
                       {"sealed_at", rfc3339(now)}};
    write_atomically(path, dsse_sign(steward, kSealType, seal.dump()), 0644);
}

Manifest open_manifest(const std::filesystem::path& dir, const std::vector<VerifyKey>& stewards, Seal seal) {
    const std::filesystem::path path = dir / "manifest.json", seal_path = dir / "manifest.sig.json";
    const std::string text = read_manifest(dir);
    const bool sealed = ::access(seal_path.c_str(), F_OK) == 0;
    if (!sealed && seal == Seal::required)
        throw Error(Fault::refused, dir.string() +
                                        ": this dataset version is not sealed. A steward seals it with "
                                        "`aloft stage seal`.");
    if (sealed && (seal == Seal::required || !stewards.empty())) {
        const std::string payload =
            dsse_open(read_text(seal_path, 1 << 20), kSealType, stewards, seal_path.string());
        std::string digest;
        try {
            digest = Json::parse(payload).at("manifest_sha256").get<std::string>();
        } catch (const nlohmann::json::exception&) {
            throw Error(Fault::data, seal_path.string() + ": not a seal");
        }
        if (digest != to_hex(sha256(view(text))))
            throw Error(Fault::refused, path.string() +
                                            ": was changed after a steward sealed it. Restore it from a "
                                            "copy.");
    }
    return manifest_from_text(text, path.string());
}

std::filesystem::path shard_path(const std::filesystem::path& dir, const ShardEntry& entry) {
    return dir / "shards" / entry.file;
}

}  // namespace core
