#include "core/shard/manifest.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/shard/made.h"
#include "support/scratch.h"

using namespace core;

namespace {

Manifest some_manifest() {
    Manifest manifest;
    manifest.dataset = "made";
    manifest.version = "1";
    manifest.key_id = made::key().id();
    manifest.schema = made::images();
    manifest.deidentification = {{"profile", "image"}, {"codes", {"113100", "113101"}}};
    manifest.parents = {{{"delivery", "D1"}, {"sha256", std::string(64, 'a')}}};
    for (int i = 0; i < 2; ++i) {
        ShardEntry shard;
        shard.file = shard_file(i);
        shard.sha256.fill(static_cast<std::uint8_t>(i));
        shard.bytes = 100000;
        shard.samples = 10 + i;
        shard.index_offset = 90000;
        shard.index_bytes = 1000;
        shard.counts = {{"site", {{"north", 4}, {"south", 6 + i}}}, {"split", {{"train", 9}, {"", 1 + i}}}};
        manifest.shards.push_back(shard);
    }
    return manifest;
}

Fault fault_of(const std::filesystem::path& dir, const std::vector<VerifyKey>& stewards, Seal seal) {
    try {
        open_manifest(dir, stewards, seal);
    } catch (const Error& e) {
        return e.fault();
    }
    return Fault::bug;  // opened
}

}  // namespace

TEST_CASE("a manifest reads as it was written, and equal manifests are equal texts") {
    const std::string text = to_text(some_manifest());
    CHECK(to_text(some_manifest()) == text);
    const Manifest back = manifest_from_text(text, "m");
    CHECK(to_text(back) == text);
    CHECK(back.samples() == 21);
    CHECK(back.id() == "made@1");
    CHECK(back.shards[1].counts.at("split").at("") == 2);
}

TEST_CASE("a manifest that is cut, mixed up or hostile is an error of the data, never a crash") {
    const std::string text = to_text(some_manifest());
    for (std::size_t length = 0; length + 2 < text.size(); length += 7)
        CHECK_THROWS_AS(manifest_from_text(text.substr(0, length), "m"), Error);
    const auto refused = [&](const std::string& from, const std::string& to) {
        std::string hostile = text;
        const auto at = hostile.find(from);
        REQUIRE(at != std::string::npos);
        hostile.replace(at, from.size(), to);
        try {
            manifest_from_text(hostile, "m");
            FAIL_CHECK("accepted: " << to);
        } catch (const Error& e) {
            CHECK(e.fault() == Fault::data);
        }
    };
    refused("shard-000001.h5", "shard-000000.h5");
    refused("shard-000000.h5", "../../etc/passwd");
    refused("\"dataset\": \"made\"", "\"dataset\": \"../made\"");
    refused("\"version\": \"1\"", "\"version\": \"\"");
    refused("\"samples\": 21", "\"samples\": 22");
    refused("\"samples\": 10", "\"samples\": -1");
    refused("\"bytes\": 100000", "\"bytes\": -5");
    refused("\"bytes\": 100000", "\"bytes\": \"many\"");
    refused("\"bytes\": 100000", "\"bytes\": 1e5");
    refused("   5\n", "   5.5\n");
    refused("\"train\": 9", "\"train\": 9223372036854775807");
    refused("\"train\": 9", "\"train\": -9");
    refused("\"aloft_format\": 1", "\"aloft_format\": 2");
    refused("\"key_id\"", "\"key\"");
    refused("\"u8\"", "\"u9\"");
    refused("0000000000", "000000000");
    refused("{", "[");
}

TEST_CASE("a seal holds exactly the bytes that were sealed") {
    const test::Scratch dir;
    const auto steward = SigningKey::generate(), other = SigningKey::generate();
    const std::vector<VerifyKey> trusted{steward.verify_key()}, others{other.verify_key()};
    write_manifest(dir.path(), some_manifest());
    CHECK(fault_of(dir.path(), trusted, Seal::required) == Fault::refused);
    CHECK(open_manifest(dir.path(), trusted, Seal::optional).samples() == 21);
    seal_manifest(dir.path(), steward, 1795551308);
    CHECK(open_manifest(dir.path(), trusted, Seal::required).samples() == 21);
    CHECK(fault_of(dir.path(), others, Seal::required) == Fault::refused);
    CHECK(fault_of(dir.path(), {}, Seal::required) == Fault::refused);
    CHECK(open_manifest(dir.path(), {}, Seal::optional).samples() == 21);
    CHECK_THROWS_AS(seal_manifest(dir.path(), steward, 1795551309), Error);  // never twice
    Manifest changed = some_manifest();
    changed.shards.pop_back();
    write_manifest(dir.path(), changed);
    CHECK(fault_of(dir.path(), trusted, Seal::required) == Fault::refused);
    CHECK(fault_of(dir.path(), trusted, Seal::optional) == Fault::refused);
    write_manifest(dir.path(), some_manifest());
    CHECK(open_manifest(dir.path(), trusted, Seal::required).samples() == 21);
    write_atomically(dir / "manifest.sig.json", "{}");
    CHECK(fault_of(dir.path(), trusted, Seal::required) == Fault::data);
}

TEST_CASE("shards are named by their number") {
    CHECK(shard_file(3) == "shard-000003.h5");
    CHECK_THROWS_AS(shard_file(-1), Error);
    CHECK_THROWS_AS(shard_file(1000000), Error);
}
