#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/shard/chunk.h"
#include "core/shard/made.h"
#include "support/scratch.h"

using namespace core;

TEST_CASE("verify finds every flipped byte of a shard, and names the sample if it lies in one") {
    const test::Scratch folder;
    const Schema schema{{{"image", DType::u8, {1, 4, 4}, ""}, {"volume", DType::u8, {}, ""}},
                        made::columns()};
    const ShardEntry entry = made::shard(folder.path(), schema, 0, 0, 3);
    const auto path = folder / entry.file;
    const auto verify = [&] { verify_shard(path, entry, schema, "made@1", 0, made::key()); };
    CHECK_NOTHROW(verify());
    const ShardReader reader(path, entry, schema, "made@1", 0, made::key());
    const std::uint64_t first = reader.offset(0, 1), size = 96 + 16;
    std::uint64_t named = 0, found = 0;
    for (std::uint64_t at = 0; at < entry.bytes; ++at) {
        made::flip(path, at, static_cast<std::uint8_t>(1 << (at % 8)));
        try {
            verify();
        } catch (const Error& e) {
            found += e.fault() == Fault::data;
            const std::string message = e.what();
            if (at >= first && at < first + size)
                named += message.find("shard-000000.h5: /fields/image sample 1: ") != std::string::npos;
        }
        made::flip(path, at, static_cast<std::uint8_t>(1 << (at % 8)));
    }
    CHECK(found == entry.bytes);
    CHECK(named == size);
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
