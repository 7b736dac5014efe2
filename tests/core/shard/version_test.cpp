#include "core/shard/version.h"

#include <catch2/catch.hpp>
#include <thread>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/shard/made.h"
#include "support/scratch.h"

using namespace core;

namespace {

const std::filesystem::path kGolden =
    std::filesystem::path(std::getenv("ALOFT_SOURCE")) / "tests/core/shard/golden";

Fault fault_of(const std::filesystem::path& dir, const std::vector<VerifyKey>& stewards, Seal seal) {
    try {
        Version(dir, stewards, seal);
    } catch (const Error& e) {
        return e.fault();
    }
    return Fault::bug;  // opened
}

ShardEntry entry(std::int64_t number) {
    ShardEntry shard;
    shard.file = shard_file(number);
    shard.bytes = 100000;
    shard.samples = 3;
    shard.counts = {{"split", {{"train", 2}, {"test", 1}}}};
    return shard;
}

Manifest root() {
    Manifest manifest;
    manifest.dataset = "made";
    manifest.version = "1";
    manifest.key_id = made::key().id();
    manifest.schema = made::images();
    return manifest;
}

void write(const std::filesystem::path& dir, std::int64_t shards) {
    const SecretKey key = made::key();
    ManifestWriter writer(dir, root(), key);
    for (std::int64_t i = 0; i < shards; ++i) writer.add(entry(i));
    writer.finish();
}

void seal(const std::filesystem::path& dir, const SigningKey& steward) {
    seal_version(Version(dir, {}, Seal::optional), steward, 1795551308);
}

}  // namespace

TEST_CASE("a seal holds exactly the bytes that were sealed") {
    const test::Scratch dir;
    const auto steward = SigningKey::generate(), other = SigningKey::generate();
    const std::vector<VerifyKey> trusted{steward.verify_key()}, others{other.verify_key()};
    write(dir.path(), 7);
    CHECK(fault_of(dir.path(), trusted, Seal::required) == Fault::refused);
    CHECK(Version(dir.path(), trusted, Seal::optional).seal() == SealState::absent);
    seal(dir.path(), steward);
    CHECK(Version(dir.path(), trusted, Seal::required).seal() == SealState::valid);
    CHECK(open_manifest(dir.path(), trusted, Seal::optional).samples() == 21);
    CHECK(fault_of(dir.path(), others, Seal::required) == Fault::refused);
    CHECK(fault_of(dir.path(), others, Seal::optional) == Fault::refused);
    CHECK(fault_of(dir.path(), {}, Seal::required) == Fault::refused);
    CHECK(Version(dir.path(), {}, Seal::optional).seal() == SealState::unchecked);
    CHECK_THROWS_WITH(seal(dir.path(), steward), Catch::Contains("sealed already"));  // never twice
    write(dir.path(), 6);
    CHECK(fault_of(dir.path(), trusted, Seal::required) == Fault::refused);
    CHECK(fault_of(dir.path(), trusted, Seal::optional) == Fault::refused);
    CHECK(fault_of(dir.path(), {}, Seal::optional) == Fault::refused);  // nobody's key is needed to see that
    write(dir.path(), 7);
    CHECK(Version(dir.path(), trusted, Seal::required).seal() == SealState::valid);
    write_atomically(dir / "manifest.sig.json", "{}");
    CHECK(fault_of(dir.path(), trusted, Seal::required) == Fault::data);
    CHECK(fault_of(dir.path(), {}, Seal::optional) == Fault::data);
}

TEST_CASE("of two stewards who seal at the same moment one is told that he came late") {
    for (int round = 0; round < 10; ++round) {
        const test::Scratch dir;
        write(dir.path(), 1);
        const Version version(dir.path(), {}, Seal::optional);  // read by all before any has sealed
        std::vector<SigningKey> stewards;
        for (int i = 0; i < 4; ++i) stewards.push_back(SigningKey::generate());
        std::vector<int> sealed(stewards.size(), 0);
        {
            std::vector<std::jthread> threads;
            for (std::size_t i = 0; i < stewards.size(); ++i)
                threads.emplace_back([&, i] {
                    try {
                        seal_version(version, stewards[i], 1795551308);
                        sealed[i] = 1;
                    } catch (const Error& e) {
                        if (e.fault() != Fault::usage) sealed[i] = 100;
                    }
                });
        }
        REQUIRE(std::accumulate(sealed.begin(), sealed.end(), 0) == 1);
        const auto winner =
            static_cast<std::size_t>(std::find(sealed.begin(), sealed.end(), 1) - sealed.begin());
        CHECK(Version(dir.path(), {stewards[winner].verify_key()}, Seal::required).seal() ==
              SealState::valid);
    }
}

TEST_CASE("a page is read when one of its shards is asked for, and must be what the manifest names") {
    const test::Scratch dir;
    write(dir.path(), 2345);
    const Version version(dir.path(), {}, Seal::optional);
    CHECK(version.shards() == 2345);
    CHECK(version.pages() == 3);
    std::filesystem::remove(dir / "pages/page-000000.json");
    made::flip(dir / "pages/page-000001.json", 500);
    CHECK(version.shard(2344).file == "shard-002344.h5");
    CHECK(version.shard(2000).file == "shard-002000.h5");
    CHECK_THROWS_WITH(version.shard(0), Catch::Contains("page-000000.json"));
    CHECK_THROWS_WITH(version.shard(1500), Catch::Contains("page-000001.json: its SHA-256 differs"));
    CHECK_THROWS_AS(version.shard(2345), Error);
    CHECK_THROWS_AS(version.shard(-1), Error);
}

TEST_CASE("counts of single shards are for those who have the key; rounded totals for everybody") {
    const test::Scratch dir;
    write(dir.path(), 7);
    const Version version(dir.path(), {}, Seal::optional);
    CHECK(version.page(0)[3].counts.empty());
    CHECK(version.page(0, made::key())[3].counts == entry(3).counts);
    CHECK_THROWS_WITH(version.page(0, made::key(8)), Catch::Contains("authentication failed"));
    CHECK(version.manifest().counts.dump() == R"({"split":{"test":"<10","train":10}})");
    CHECK(read_text(dir / "pages/page-000000.json").find("train") == std::string::npos);
}

TEST_CASE("a manifest that its key did not write, or of another key, is refused") {
    const test::Scratch dir;
    write(dir.path(), 7);
    CHECK_NOTHROW(Version(dir.path(), {}, Seal::optional).authenticate(made::key()));
    CHECK_THROWS_WITH(Version(dir.path(), {}, Seal::optional).authenticate(made::key(8)),
                      Catch::Contains("not the key of made@1"));
    Manifest forged = open_manifest(dir.path(), {}, Seal::optional);
    forged.risk = {{"k", 1000}};
    for (const std::string& text : {to_text(forged), to_text(forged, made::key(8))}) {
        write_atomically(dir / "manifest.json", text);
        try {
            Version(dir.path(), {}, Seal::optional).authenticate(made::key());
            FAIL_CHECK("accepted");
        } catch (const Error& e) {
            CHECK(e.fault() == Fault::refused);
        }
    }
}

TEST_CASE("a manifest takes its shards in turn, under its own key, and clears what a killed run left") {
    const test::Scratch dir;
    const SecretKey key = made::key(), other = made::key(8);
    CHECK_THROWS_AS(ManifestWriter(dir.path(), root(), other), Error);
    make_directories(dir / "pages");
    write_atomically(dir / "pages/page-000007.json", "old");
    write_atomically(dir / "pages/.tmp-page-000000.json-1", "old");
    ManifestWriter writer(dir.path(), root(), key);
    CHECK_THROWS_AS(writer.add(entry(1)), Error);
    writer.add(entry(0));
    CHECK_THROWS_AS(writer.add(entry(0)), Error);
    writer.add(entry(1));
    CHECK(writer.complete().samples() == 6);
    CHECK_FALSE(std::filesystem::exists(dir / "manifest.json"));
    writer.finish();
    const Version version(dir.path(), {}, Seal::optional);
    CHECK(version.shards() == 2);
    CHECK(strange_files(version) == 0);
}

TEST_CASE("what this program writes is what it wrote: the golden version, byte for byte") {
    const test::Scratch dir;
    made::dataset(dir.path(), made::everything(), {3, 2}, {Codec::zstd, 1, 1 << 20});
    for (const char* file :
         {"manifest.json", "pages/page-000000.json", "shards/shard-000000.h5", "shards/shard-000001.h5"}) {
        INFO(file);
        CHECK(read_file(dir / file) == read_file(kGolden / "v2" / file));
    }
}

TEST_CASE("versions of both formats open, verify, and hold the same samples") {
    const std::string format = GENERATE("v1", "v2");
    const SecretKey key = made::key();
    const Version version(kGolden / format, {VerifyKey::load(kGolden / format / "steward.pub")},
                          Seal::required);
    const Schema schema = made::everything();
    CHECK_NOTHROW(version.authenticate(key));
    CHECK(version.manifest().samples() == 5);
    CHECK(strange_files(version) == 0);
    std::int64_t number = 0;
    for (std::int64_t s = 0; s < version.shards(); ++s) {
        const ShardEntry shard = version.page(0, key)[static_cast<std::size_t>(s)];
        CHECK_NOTHROW(verify_shard(version.shard_path(s), shard, schema, "made@1", s, key));
        const ShardReader reader(version.shard_path(s), version.shard(s), version.manifest().schema, "made@1",
                                 s, key);
        for (std::int64_t i = 0; i < reader.samples(); ++i, ++number) {
            const Sample sample = made::sample(schema, number);
            for (std::size_t f = 0; f < schema.fields.size(); ++f) {
                const Array array = reader.array(f, i);
                CHECK(array.bytes == sample.fields[f].bytes);
                CHECK(array.shape == reader.shape(f, i));
            }
            const auto shape = reader.shape(1, i);
            Bytes row(static_cast<std::size_t>(shape[2]) * 2);
            reader.read_box(1, i, std::vector<std::int64_t>{shape[0] - 1, 1, 0},
                            std::vector<std::int64_t>{1, 1, shape[2]}, row);
            const auto at = static_cast<std::ptrdiff_t>(((shape[0] - 1) * 4 + 1) * shape[2] * 2);
            CHECK(std::equal(row.begin(), row.end(), sample.fields[1].bytes.begin() + at));
            CHECK(reader.column(schema.column("day")).integers[static_cast<std::size_t>(i)] == number);
        }
    }
    CHECK(number == 5);
    if (format == "v2") CHECK_NOTHROW(verify_sums(version.manifest(), {verify_page(version, 0, key)}));
}
