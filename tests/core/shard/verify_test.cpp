#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/shard/chunk.h"
#include "core/shard/made.h"
#include "support/scratch.h"

using namespace core;

// Under the sanitizers every seventh byte: the release build tries them all.
#ifdef __SANITIZE_ADDRESS__
constexpr std::uint64_t kStride = 7;
#else
constexpr std::uint64_t kStride = 1;
#endif

TEST_CASE("verify finds every flipped byte of a shard, and names the sample if it lies in one") {
    const test::Scratch folder;
    const Schema schema{{{"image", DType::u8, {1, 4, 4}, ""}, {"volume", DType::u8, {}, ""}},
                        made::columns()};
    const ShardEntry entry = made::shard(folder.path(), schema, 0, 0, 3);
    const auto path = folder / entry.file;
    const auto verify = [&] { verify_shard(path, entry, schema, "made@1", 0, made::key()); };
    CHECK_NOTHROW(verify());
    const ShardReader reader(path, entry, schema, "made@1", 0, made::key());
    const std::uint64_t first = reader.offset(0, 1), size = kChunkOverhead;
    std::uint64_t named = 0, found = 0, tried = 0, in_sample = 0;
    for (std::uint64_t at = 0; at < entry.bytes; at += kStride) {
        const bool is_of_sample = at >= first && at < first + size;
        ++tried;
        in_sample += is_of_sample;
        made::flip(path, at, static_cast<std::uint8_t>(1 << (at % 8)));
        try {
            verify();
        } catch (const Error& e) {
            found += e.fault() == Fault::data;
            const std::string message = e.what();
            if (is_of_sample)
                named += message.find("shard-000000.h5: /fields/image sample 1: ") != std::string::npos;
        }
        made::flip(path, at, static_cast<std::uint8_t>(1 << (at % 8)));
    }
    CHECK(found == tried);
    REQUIRE(in_sample > 0);
    CHECK(named == in_sample);
    CHECK_NOTHROW(verify());
}

TEST_CASE("verify finds what was cut off, added, or counted wrongly") {
    const test::Scratch folder;
    const Schema schema = made::images();
    const ShardEntry entry = made::shard(folder.path(), schema, 0, 0, 30);
    const auto path = folder / entry.file;
    const auto verify = [&](const ShardEntry& e) { verify_shard(path, e, schema, "made@1", 0, made::key()); };
    ShardEntry other = entry;
    other.counts["site"]["north"] += 1;
    CHECK_THROWS_WITH(verify(other), Catch::Contains("counts"));
    other = entry;
    other.sha256[0] ^= 1;
    CHECK_THROWS_WITH(verify(other), Catch::Contains("SHA-256 differs"));
    for (const std::uint64_t size : {std::uint64_t{0}, entry.bytes / 2, entry.bytes - 1, entry.bytes + 1}) {
        std::filesystem::resize_file(path, size);
        CHECK_THROWS_AS(verify(entry), Error);
    }
}

TEST_CASE("two samples that changed places are found") {
    const test::Scratch folder;
    const Schema schema = made::images();
    const ShardEntry entry = made::shard(folder.path(), schema, 0, 0, 30);
    const auto path = folder / entry.file;
    const ShardReader reader(path, entry, schema, "made@1", 0, made::key());
    Bytes bytes = read_file(path);
    const auto at = [&](std::int64_t i) {
        return bytes.begin() + static_cast<std::ptrdiff_t>(reader.offset(0, i));
    };
    std::swap_ranges(at(3), at(3) + 96 + 30, at(9));
    write_atomically(path, bytes);
    CHECK_THROWS_WITH(verify_shard(path, entry, schema, "made@1", 0, made::key()),
                      Catch::Contains("/fields/image sample 3: its header"));
}

TEST_CASE("what the manifest does not name is found, whatever it is called") {
    const test::Scratch folder;
    made::dataset(folder.path(), made::images(), {3, 4});
    const auto strange = [&] { return strange_files(Version(folder.path(), {}, Seal::optional)); };
    CHECK(strange() == 0);
    for (const char* name : {"shards/shard-000002.h5", "shards/shard-0000000.h5", "shards/shard-00001.h5",
                             "shards/shard-000000.h5.bak", "shards/.hidden", "shards/shard--00001.h5",
                             "pages/page-000001.json", "pages/x"}) {
        write_atomically(folder / name, "x");
        CHECK(strange() == 1);
        std::filesystem::remove(folder / name);
    }
    std::filesystem::create_directory(folder / "shards/more");
    CHECK(strange() == 1);
}

TEST_CASE("sums that are not those of the pages are found") {
    const test::Scratch folder;
    made::dataset(folder.path(), made::images(), {30, 40});
    const SecretKey key = made::key();
    const Version version(folder.path(), {}, Seal::optional);
    const VerifiedPage page = verify_page(version, 0, key);
    CHECK_NOTHROW(verify_sums(version.manifest(), {page}));
    Manifest other = version.manifest();
    other.counts["site"]["north"] = 1000;
    CHECK_THROWS_WITH(verify_sums(other, {page}), Catch::Contains("not those of its pages"));
    other = version.manifest();
    other.moments["train"]["image"]["mean"] = 1e6;
    CHECK_THROWS_AS(verify_sums(other, {page}), Error);
    CHECK_THROWS_AS(verify_sums(version.manifest(), {}), Error);
    CHECK_THROWS_AS(verify_sums(version.manifest(), {page, page}), Error);
}

TEST_CASE("without the key a file is compared with its digest") {
    const test::Scratch folder;
    const ShardEntry entry = made::shard(folder.path(), made::images(), 0, 0, 5);
    CHECK_NOTHROW(verify_file(folder / entry.file, entry));
    made::flip(folder / entry.file, 3000);
    CHECK_THROWS_WITH(verify_file(folder / entry.file, entry), Catch::Contains("SHA-256 differs"));
}
