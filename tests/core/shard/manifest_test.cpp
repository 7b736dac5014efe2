#include "core/shard/manifest.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/shard/made.h"
#include "support/scratch.h"

using namespace core;

namespace {

PageEntry page(std::int64_t number, std::int64_t shards) {
    PageEntry entry;
    entry.file = page_file(number);
    entry.sha256.fill(static_cast<std::uint8_t>(number));
    entry.shards = shards;
    entry.samples = 7 * shards;
    entry.bytes = 100000 * static_cast<std::uint64_t>(shards);
    return entry;
}

Manifest some_manifest() {
    Manifest manifest;
    manifest.dataset = "made";
    manifest.version = "1";
    manifest.key_id = made::key().id();
    manifest.schema = made::images();
    manifest.deidentification = {{"profile", "image"}, {"codes", {"113100", "113101"}}};
    manifest.parents = {{{"delivery", "D1"}, {"sha256", std::string(64, 'a')}}};
    manifest.counts = {{"site", {{"north", 4000}, {"south", "<10"}}}};
    manifest.pages = {page(0, 1000), page(1, 3)};
    return manifest;
}

ShardEntry entry(std::int64_t number) {
    ShardEntry shard;
    shard.file = shard_file(number);
    shard.bytes = 100000;
    shard.samples = 10 + number % 2;
    shard.index_offset = 90000;
    shard.index_bytes = 1000;
    shard.counts = {{"site", {{"north", 4}, {"south", 6 + number % 2}}},
                    {"split", {{"train", 9}, {"", 1 + number % 2}}}};
    shard.moments["train"]["image"] = {270, 0, 15, 100, 0, 31};
    return shard;
}

template <class Read>
void every_cut_is_refused(const std::string& text, Read read) {
    for (std::size_t length = 0; length + 2 < text.size(); length += 7)
        CHECK_THROWS_AS(read(text.substr(0, length)), Error);
}

// Each is a change that must end in Error(data).
template <class Read>
void are_refused(const std::string& text, Read read,
                 const std::vector<std::pair<std::string, std::string>>& changes) {
    for (const auto& [from, to] : changes) {
        std::string hostile = text;
        const auto at = hostile.find(from);
        INFO(from << " -> " << to);
        REQUIRE(at != std::string::npos);
        hostile.replace(at, from.size(), to);
        try {
            read(hostile);
            FAIL_CHECK("accepted");
        } catch (const Error& e) {
            CHECK(e.fault() == Fault::data);
        }
    }
}

}  // namespace

TEST_CASE("a manifest reads as it was written, and equal manifests are equal texts") {
    const std::string text = to_text(some_manifest());
    CHECK(to_text(some_manifest()) == text);
    const Manifest back = manifest_from_text(text, "m");
    CHECK(to_text(back) == text);
    CHECK(back.shards() == 1003);
    CHECK(back.samples() == 7021);
    CHECK(back.bytes() == 100300000);
    CHECK(back.id() == "made@1");
    CHECK(to_text(manifest_from_text(to_text(some_manifest(), made::key()), "m")) ==
          text);  // the mark is not part of it
}

TEST_CASE("a manifest that is cut, mixed up or hostile is an error of the data, never a crash") {
    const std::string text = to_text(some_manifest());
    const auto read = [](const std::string& each) { manifest_from_text(each, "m"); };
    every_cut_is_refused(text, read);
    are_refused(text, read,
                {{"page-000001.json", "page-000000.json"},
                 {"page-000000.json", "../../etc/passwd"},
                 {"\"dataset\": \"made\"", "\"dataset\": \"../made\""},
                 {"\"version\": \"1\"", "\"version\": \"\""},
                 {"\"samples\": 7021", "\"samples\": 7022"},
                 {"\"samples\": 7000", "\"samples\": -1"},
                 {"\"samples\": 7000", "\"samples\": 9223372036854775807"},
                 {"\"samples\": 7000", "\"samples\": 999"},
                 {"\"shards\": 1000", "\"shards\": 999"},
                 {"\"shards\": 1000", "\"shards\": 1001"},
                 {"\"shards\": 1003", "\"shards\": 1004"},
                 {"\"shards\": 3", "\"shards\": 0"},
                 {"\"bytes\": 100000000", "\"bytes\": -5"},
                 {"\"bytes\": 100000000", "\"bytes\": \"many\""},
                 {"\"bytes\": 100000000", "\"bytes\": 1e8"},
                 {"   5\n", "   5.5\n"},
                 {"\"aloft_format\": 2", "\"aloft_format\": 3"},
                 {"\"aloft_format\": 2", "\"aloft_format\": 1"},
                 {"\"counts\": {", "\"counts\": [], \"kounts\": {"},
                 {"\"key_id\"", "\"key\""},
                 {"\"u8\"", "\"u9\""},
                 {"0000000000", "000000000"},
                 {"{", "["}});
}

TEST_CASE("a manifest of format 1 reads, and writes again the same text") {
    Manifest manifest = some_manifest();
    manifest.format = 1;
    manifest.pages.clear();
    for (int i = 0; i < 2; ++i) {
        manifest.listed.push_back(entry(i));
        manifest.listed.back().format = 1;
    }
    const std::string text = to_text(manifest);
    const Manifest back = manifest_from_text(text, "m");
    CHECK(to_text(back) == text);
    CHECK(back.samples() == 21);
    CHECK(back.listed[1].counts.at("split").at("") == 2);
    CHECK(back.listed[1].format == 1);
    CHECK_FALSE(is_marked(text, back, made::key()).has_value());
    are_refused(text, [](const std::string& each) { manifest_from_text(each, "m"); },
                {{"shard-000001.h5", "shard-000000.h5"},
                 {"\"samples\": 10", "\"samples\": -1"},
                 {"\"train\": 9", "\"train\": 9223372036854775807"},
                 {"\"train\": 9", "\"train\": -9"}});
}

TEST_CASE("the mark is the key's, over every byte") {
    const Manifest manifest = some_manifest();
    const std::string text = to_text(manifest, made::key());
    CHECK(is_marked(text, manifest, made::key()) == true);
    CHECK(is_marked(text, manifest, made::key(8)) == false);
    CHECK(is_marked(to_text(manifest), manifest, made::key()) == false);
    CHECK(is_marked("", manifest, made::key()) == false);
    for (std::size_t at = 0; at < text.size(); ++at) {
        std::string other = text;
        other[at] ^= 1;
        CHECK(is_marked(other, manifest, made::key()) == false);
    }
}

TEST_CASE("a page reads as it was written; what is sealed in it only with the key") {
    const std::vector<ShardEntry> shards{entry(1000), entry(1001)};
    const std::string text = page_text("made@1", 1, shards, made::key());
    CHECK(page_text("made@1", 1, shards, made::key()) == text);
    for (const char* secret : {"north", "site", "train", "squares"})
        CHECK(text.find(secret) == std::string::npos);
    const Page page = page_from_text(text, "made@1", 1, "p");
    REQUIRE(page.shards.size() == 2);
    CHECK(page.shards[1].file == "shard-001001.h5");
    CHECK(page.shards[1].counts.empty());
    const PageRecord record = open_record(page, "made@1", 1, made::key(), "p");
    CHECK(record.counts[1] == shards[1].counts);
    CHECK(record.moments.at("train").at("image").count == 540);
    CHECK_THROWS_WITH(open_record(page, "made@1", 1, made::key(8), "p"),
                      Catch::Contains("authentication failed"));
    CHECK_THROWS_AS(open_record(page, "made@2", 1, made::key(), "p"), Error);
    CHECK_THROWS_AS(open_record(page, "made@1", 0, made::key(), "p"), Error);
    for (std::size_t at = 0; at < page.sealed.size(); ++at) {
        Page other = page;
        other.sealed[at] ^= 16;
        CHECK_THROWS_AS(open_record(other, "made@1", 1, made::key(), "p"), Error);
    }
    Page fewer = page;
    fewer.shards.pop_back();
    CHECK_THROWS_AS(open_record(fewer, "made@1", 1, made::key(), "p"), Error);
    fewer.shards.push_back(page.shards[0]);
    CHECK_THROWS_AS(open_record(fewer, "made@1", 1, made::key(), "p"),
                    Error);  // counts another number of samples
}

TEST_CASE("a page that is cut, mixed up or hostile is an error of the data") {
    const std::string text = page_text("made@1", 1, {entry(1000), entry(1001)}, made::key());
    const auto read = [](const std::string& each) { page_from_text(each, "made@1", 1, "p"); };
    every_cut_is_refused(text, read);
    are_refused(text, read,
                {{"shard-001001.h5", "shard-001002.h5"},
                 {"made@1", "made@2"},
                 {"\"page\":1", "\"page\":2"},
                 {"\"aloft_format\":2", "\"aloft_format\":1"},
                 {"\"samples\":10", "\"samples\":0"},
                 {"\"samples\":10", "\"samples\":1e1"},
                 {"\"bytes\":100000", "\"bytes\":-1"},
                 {"\"sealed\":\"", "\"sealed\":\"*"},
                 {"\"shards\":[", "\"shards\":[], \"other\":["}});
}

TEST_CASE("shards are named by their number") {
    CHECK(shard_file(3) == "shard-000003.h5");
    CHECK(shard_file(1234567) == "shard-1234567.h5");
    CHECK_THROWS_AS(shard_file(-1), Error);
    CHECK_THROWS_AS(shard_file(10000000), Error);
}

TEST_CASE("a manifest of two million shards opens, and is small") {
    Manifest manifest = some_manifest();
    manifest.pages.clear();
    for (int i = 0; i < 2000; ++i) manifest.pages.push_back(page(i, 1000));
    const std::string text = to_text(manifest, made::key());
    CHECK(text.size() < 1 << 20);
    CHECK(manifest_from_text(text, "m").shards() == 2000000);
}
