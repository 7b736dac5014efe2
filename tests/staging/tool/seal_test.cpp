#include "staging/tool/seal.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/keys/keys.h"
#include "core/shard/version.h"
#include "support/scratch.h"

using namespace staging;
namespace fs = std::filesystem;

namespace {

struct Version {
    Version() {
        fs::create_directories(dir());
        core::Manifest manifest;
        manifest.dataset = "digits";
        manifest.version = "1";
        const core::SecretKey dataset_key = core::SecretKey::generate();
        manifest.key_id = dataset_key.id();
        manifest.schema.fields = {{"pixels", core::DType::u8, {1, 8, 8}, ""}};
        manifest.schema.columns = {
            {"patient", core::ColumnType::id16, {}},
            {"site", core::ColumnType::category, {"north"}},
            {"vendor", core::ColumnType::category, {"a"}},
            {"split", core::ColumnType::category, {std::begin(core::kSplits), std::end(core::kSplits)}}};
        core::ManifestWriter(dir(), manifest, dataset_key).finish();
        const core::SigningKey key = core::SigningKey::generate();
        key.save(folder / "steward.key");
        key.verify_key().save(folder / "steward.pub");
        const core::SigningKey other = core::SigningKey::generate();
        other.verify_key().save(folder / "other.pub");
    }
    fs::path dir() const { return folder / "1"; }
    CheckRequest by_steward() const { return {dir(), {}, folder / "steward.key", 1, {}}; }
    test::Scratch folder;
};

}  // namespace

TEST_CASE("a seal is written elsewhere, and put in by the version's owner") {
    const Version version;
    const fs::path seal_file = version.folder / "digits-1.seal";
    CHECK(seal(version.by_steward(), seal_file).at("sealed") == false);
    CHECK_FALSE(fs::exists(version.dir() / "manifest.sig.json"));
    CHECK_THROWS_AS(attach_seal(version.dir(), seal_file, version.folder / "other.pub"), core::Error);
    CHECK_FALSE(fs::exists(version.dir() / "manifest.sig.json"));
    CHECK(attach_seal(version.dir(), seal_file, version.folder / "steward.pub").at("sealed") == true);
    const std::vector<core::VerifyKey> stewards{core::VerifyKey::load(version.folder / "steward.pub")};
    CHECK(core::open_manifest(version.dir(), stewards, core::Seal::required).id() == "digits@1");
}

TEST_CASE("a seal of another manifest is refused, and a seal that is there never changes") {
    const Version one, another;
    seal(one.by_steward(), one.folder / "seal");
    CHECK_THROWS_AS(attach_seal(another.dir(), one.folder / "seal", one.folder / "steward.pub"), core::Error);
    CHECK_FALSE(fs::exists(another.dir() / "manifest.sig.json"));
    attach_seal(one.dir(), one.folder / "seal", one.folder / "steward.pub");
    CHECK_THROWS_WITH(attach_seal(one.dir(), one.folder / "seal", one.folder / "steward.pub"),
                      Catch::Contains("never changes"));
    CHECK_THROWS_AS(seal(one.by_steward(), one.folder / "seal"), core::Error);
}

TEST_CASE("what the manifest does not name is not sealed over") {
    const Version version;
    fs::create_directories(version.dir() / "shards");
    core::write_atomically(version.dir() / "shards/shard-000000.h5", "not of this version");
    CHECK_THROWS_WITH(seal(version.by_steward(), version.folder / "seal"), Catch::Contains("does not name"));
    CHECK_FALSE(fs::exists(version.folder / "seal"));
}
