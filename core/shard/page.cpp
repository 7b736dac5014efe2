#include "core/shard/page.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/shard/chunk.h"

namespace core {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::uint64_t kMaxRecordBytes = 1 << 30;

Bytes seal_record(const std::string& text, const std::string& dataset, std::int64_t number,
                  const SecretKey& dataset_key) {
    ChunkHeader header;
    header.element = kRecordElement;
    header.shard = page_id(dataset, number);
    header.index = static_cast<std::uint64_t>(number);
    return seal_chunk(header, Codec::zstd, view(text), ShardKeys(dataset_key, header.shard));
}

}  // namespace

std::string page_file(std::int64_t number) {
    char name[32];
    std::snprintf(name, sizeof name, "page-%06lld.json", static_cast<long long>(number));
    return name;
}

Json to_json(const PageEntry& page) {
    return {{"file", page.file},
            {"sha256", to_hex(page.sha256)},
            {"shards", page.shards},
            {"samples", page.samples},
            {"bytes", page.bytes}};
}

PageEntry page_from_json(const Json& json, std::int64_t number) {
    PageEntry page;
    page.file = json.at("file").get<std::string>();
    if (page.file != page_file(number)) throw Error(Fault::data, "a page's file is not named for its place");
    page.sha256 = digest_from_json(json.at("sha256"));
    page.shards = count_from_json(json.at("shards"));
    page.samples = count_from_json(json.at("samples"));
    page.bytes = natural_from_json(json.at("bytes"));
    if (page.shards <= 0 || page.shards > kShardsPerPage || page.samples < page.shards)
        throw Error(Fault::data, "a page's number of shards or samples is not possible");
    return page;
}

std::string page_text(const std::string& dataset, std::int64_t number, const std::vector<ShardEntry>& shards,
                      const SecretKey& dataset_key) {
    std::string out = "{\"aloft_format\":" + std::to_string(kFormat) +
                      ",\"dataset\":" + Json(dataset).dump() + ",\"page\":" + std::to_string(number) +
                      ",\"shards\":[";
    Json counts = Json::array();
    SplitMoments moments;
    for (const ShardEntry& shard : shards) {
        out += (counts.empty() ? "\n" : ",\n") + to_open_json(shard).dump();
        counts.push_back(Json(shard.counts));
        merge(moments, shard.moments);
    }
    const std::string record = Json{{"counts", std::move(counts)}, {"moments", to_json(moments)}}.dump();
    return out + "\n],\"sealed\":\"" + to_base64(seal_record(record, dataset, number, dataset_key)) + "\"}\n";
}

Page page_from_text(std::string_view text, const std::string& dataset, std::int64_t number,
                    const std::string& what) {
    Page page;
    try {
        const Json json = Json::parse(text);
        if (json.at("aloft_format") != kFormat || json.at("dataset") != dataset || json.at("page") != number)
            throw Error(Fault::data, "is of another dataset, place or format");
        const Json& shards = json.at("shards");
        if (!shards.is_array() || shards.empty() || shards.size() > static_cast<std::size_t>(kShardsPerPage))
            throw Error(Fault::data, "holds no shards, or too many");
        for (const Json& shard : shards)
            page.shards.push_back(shard_from_open_json(
                shard, number * kShardsPerPage + static_cast<std::int64_t>(page.shards.size())));
        page.sealed = from_base64(json.at("sealed").get<std::string>());
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::data, what + ": not a page: a part is missing or of another type");
    } catch (const Error& e) {
        throw Error(Fault::data, what + ": " + e.what());
    }
    return page;
}

PageRecord open_record(const Page& page, const std::string& dataset, std::int64_t number,
                       const SecretKey& dataset_key, const std::string& what) {
    const auto refuse = [&](const char* why) {
        throw Error(Fault::data, what + ": the sealed record: " + why);
    };
    const Bytes& chunk = page.sealed;
    if (chunk.size() < kChunkOverhead) refuse("is cut");
    const auto header = ChunkHeader::parse(ByteView(chunk).first(kHeaderBytes));
    const ShardId id = page_id(dataset, number);
    if (!header || header->format != kFormat || header->element != kRecordElement || header->shard != id ||
        header->index != static_cast<std::uint64_t>(number) || header->raw_bytes > kMaxRecordBytes)
        refuse("its header is damaged or belongs to another page");
    const ByteView payload = ByteView(chunk).subspan(kHeaderBytes, chunk.size() - kChunkOverhead);
    Tag tag;
    std::memcpy(tag.data(), chunk.data() + chunk.size() - kTagBytes, tag.size());
    Bytes plain(payload.size());
    if (!ShardKeys(dataset_key, id)
             .cipher.open(header->nonce, ByteView(chunk).first(kHeaderBytes), payload, tag, plain.data()))
        refuse("authentication failed: it was changed, or the key is another one");
    if (header->codec != Codec::none) {
        Bytes raw(static_cast<std::size_t>(header->raw_bytes));
        if (!decompress(header->codec, plain, raw.data(), raw.size())) refuse("does not unpack to its size");
        plain = std::move(raw);
    }
    PageRecord record;
    try {
        const Json json = Json::parse(text(plain));
        for (const Json& counts : json.at("counts")) {
            if (record.counts.size() == page.shards.size()) refuse("counts other shards");
            record.counts.push_back(counts_from_json(counts, page.shards[record.counts.size()].samples));
        }
        if (record.counts.size() != page.shards.size()) refuse("counts other shards");
        record.moments = moments_from_json(json.at("moments"));
    } catch (const nlohmann::json::exception&) {
        refuse("is not one");
    }
    return record;
}

}  // namespace core
