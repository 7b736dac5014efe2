#include "core/shard/shard_entry.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/error.h"

namespace core {

using Json = nlohmann::ordered_json;

std::uint64_t natural_from_json(const Json& json) {
    if (!json.is_number_unsigned()) throw Error(Fault::data, "a number is not a whole one, or negative");
    return json.get<std::uint64_t>();
}

std::int64_t count_from_json(const Json& json) {
    const std::uint64_t value = natural_from_json(json);
    if (value > INT64_MAX) throw Error(Fault::data, "a number of samples is not possible");
    return static_cast<std::int64_t>(value);
}

Digest digest_from_json(const Json& json) {
    const Bytes bytes = from_hex(json.get<std::string>());
    Digest digest;
    if (bytes.size() != digest.size()) throw Error(Fault::data, "a digest is not 32 bytes");
    std::copy(bytes.begin(), bytes.end(), digest.begin());
    return digest;
}

std::string shard_file(std::int64_t number) {
    if (number < 0 || number >= kMaxShards)
        throw Error(Fault::usage, "shards are numbered from 0 to 9999999: choose a larger target_bytes");
    char name[32];
    std::snprintf(name, sizeof name, "shard-%06lld.h5", static_cast<long long>(number));
    return name;
}

Json to_open_json(const ShardEntry& shard) {
    return {{"file", shard.file},
            {"sha256", to_hex(shard.sha256)},
            {"bytes", shard.bytes},
            {"samples", shard.samples},
            {"index",
             {{"offset", shard.index_offset},
              {"bytes", shard.index_bytes},
              {"sha256", to_hex(shard.index_sha256)}}}};
}

ShardEntry shard_from_open_json(const Json& json, std::int64_t number) {
    ShardEntry shard;
    shard.file = json.at("file").get<std::string>();
    if (shard.file != shard_file(number))
        throw Error(Fault::data, "a shard's file is not named for its place");
    shard.sha256 = digest_from_json(json.at("sha256"));
    shard.bytes = natural_from_json(json.at("bytes"));
    shard.samples = count_from_json(json.at("samples"));
    const Json& index = json.at("index");
    shard.index_offset = natural_from_json(index.at("offset"));
    shard.index_bytes = natural_from_json(index.at("bytes"));
    shard.index_sha256 = digest_from_json(index.at("sha256"));
    if (shard.samples <= 0 || static_cast<std::uint64_t>(shard.samples) > shard.bytes)
        throw Error(Fault::data, "a shard's number of samples is not possible");
    return shard;
}

Counts counts_from_json(const Json& json, std::int64_t samples) {
    Counts out;
    for (const auto& [column, counts] : json.items()) {
        std::int64_t total = 0;
        for (const auto& [category, count] : counts.items()) {
            const std::int64_t value = count_from_json(count);
            if (value > samples - total) throw Error(Fault::data, "a shard's counts exceed its samples");
            total += value;
            out[column][category] = value;
        }
        if (total != samples) throw Error(Fault::data, "a shard's counts are not those of its samples");
    }
    return out;
}

Json to_json(const ShardEntry& shard) {
    Json json = to_open_json(shard);
    json["counts"] = Json::object();
    for (const auto& [column, counts] : shard.counts) json["counts"][column] = counts;
    if (shard.format > 1) json["moments"] = to_json(shard.moments);
    return json;
}

ShardEntry shard_from_json(const Json& json, std::int64_t number) {
    ShardEntry shard = shard_from_open_json(json, number);
    shard.counts = counts_from_json(json.at("counts"), shard.samples);
    if (json.contains("moments")) shard.moments = moments_from_json(json.at("moments"));
    return shard;
}

}  // namespace core
