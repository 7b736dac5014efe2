#include "core/shard/manifest.h"

#include <algorithm>

#include "core/base/error.h"

namespace core {
namespace {

using Json = nlohmann::ordered_json;
// What stands at a marked manifest's end: `,\n "mac": "<64 digits>"\n}\n`. The mark is over all bytes before it.
constexpr std::string_view kMarkBegin = ",\n \"mac\": \"", kMarkEnd = "\"\n}\n", kUnmarkedEnd = "\n}\n";
constexpr std::size_t kMarkDigits = 64, kMarkBytes = kMarkBegin.size() + kMarkDigits + kMarkEnd.size();

// Safe as a part of a path and in `digits@1`.
bool is_plain(std::string_view name) {
    return !name.empty() && name.size() <= 64 && name[0] != '.' && name[0] != '-' &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
           });
}

Json object_or_empty(const Json& json, const char* key) {
    return json.contains(key) ? json.at(key) : Json::object();
}

Digest mark_of(std::string_view text, const Manifest& manifest, const SecretKey& dataset_key) {
    const SecretKey key = dataset_key.derive(view(manifest.id()), "aloft manifest 2");
    return hmac_sha256(key.bytes(), {view(text)});
}

void read_pages(const Json& json, Manifest& manifest) {
    std::int64_t samples = 0;
    for (const Json& json_page : json.at("pages")) {
        if (!manifest.pages.empty() && manifest.pages.back().shards != kShardsPerPage)
            throw Error(Fault::data, "a page that is not the last is not full");
        PageEntry page = page_from_json(json_page, static_cast<std::int64_t>(manifest.pages.size()));
        if (page.samples > INT64_MAX - samples)
            throw Error(Fault::data, "the number of samples is not possible");
        samples += page.samples;
        manifest.pages.push_back(std::move(page));
    }
    if (count_from_json(json.at("shards")) != manifest.shards() || manifest.shards() > kMaxShards ||
        natural_from_json(json.at("bytes")) != manifest.bytes())
        throw Error(Fault::data, "the number of shards or bytes is not the sum of the pages'");
    manifest.counts = json.at("counts");
    manifest.moments = json.at("moments");
    if (!manifest.counts.is_object() || !manifest.moments.is_object())
        throw Error(Fault::data, "counts or moments are not an object");
}

}  // namespace

std::int64_t Manifest::shards() const noexcept {
    std::int64_t total = static_cast<std::int64_t>(listed.size());
    for (const PageEntry& page : pages) total += page.shards;
    return total;
}

std::int64_t Manifest::samples() const noexcept {
    std::int64_t total = 0;
    for (const PageEntry& page : pages) total += page.samples;
    for (const ShardEntry& shard : listed) total += shard.samples;
    return total;
}

std::uint64_t Manifest::bytes() const noexcept {
    std::uint64_t total = 0;
    for (const PageEntry& page : pages) total += page.bytes;
    for (const ShardEntry& shard : listed) total += shard.bytes;
    return total;
}

std::string to_text(const Manifest& manifest) {
    Json json = {{"aloft_format", manifest.format},   {"dataset", manifest.dataset},
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
    if (manifest.format == 1) {
        json["shards"] = Json::array();
        for (const ShardEntry& shard : manifest.listed) json["shards"].push_back(to_json(shard));
        return json.dump(1) + "\n";
    }
    json["shards"] = manifest.shards();
    json["bytes"] = manifest.bytes();
    record("counts", manifest.counts);
    record("moments", manifest.moments);
    json["pages"] = Json::array();
    for (const PageEntry& page : manifest.pages) json["pages"].push_back(to_json(page));
    return json.dump(1) + "\n";
}

std::string to_text(const Manifest& manifest, const SecretKey& dataset_key) {
    std::string text = to_text(manifest);
    text.resize(text.size() - kUnmarkedEnd.size());
    const Digest mark = mark_of(text, manifest, dataset_key);
    return text + std::string(kMarkBegin) + to_hex(mark) + std::string(kMarkEnd);
}

std::optional<bool> is_marked(std::string_view text, const Manifest& manifest, const SecretKey& dataset_key) {
    if (manifest.format == 1) return std::nullopt;
    if (text.size() < kMarkBytes) return false;
    const std::string_view body = text.substr(0, text.size() - kMarkBytes), end = text.substr(body.size());
    if (!end.starts_with(kMarkBegin) || !end.ends_with(kMarkEnd)) return false;
    const std::string mark = to_hex(mark_of(body, manifest, dataset_key));
    return equal_secret(view(end.substr(kMarkBegin.size(), kMarkDigits)), view(mark));
}

Manifest manifest_from_text(std::string_view text, const std::string& what) {
    Manifest manifest;
    try {
        const Json json = Json::parse(text);
        const Json& format = json.at("aloft_format");
        if (format != 1 && format != kFormat)
            throw Error(Fault::data, "is of a format version that this program does not know");
        manifest.format = format.get<int>();
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
        if (manifest.format == 1) {
            for (const Json& shard : json.at("shards")) {
                manifest.listed.push_back(
                    shard_from_json(shard, static_cast<std::int64_t>(manifest.listed.size())));
                manifest.listed.back().format = 1;
            }
        } else {
            read_pages(json, manifest);
        }
        if (count_from_json(json.at("samples")) != manifest.samples())
            throw Error(Fault::data, "the number of samples is not the sum of the shards'");
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::data, what + ": not a manifest: a part is missing or of another type");
    } catch (const Error& e) {
        throw Error(Fault::data, what + ": " + e.what());
    }
    return manifest;
}

}  // namespace core
