#include "core/shard/reader.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "core/base/error.h"
#include "core/shard/chunk.h"
#include "core/shard/made.h"
#include "support/scratch.h"

using namespace core;

namespace {

struct Shard {
    test::Scratch folder;
    Schema schema{{{"image", DType::u8, {1, 20, 20}, ""}, {"volume", DType::u16, {}, ""}}, made::columns()};
    ShardEntry entry;
    std::filesystem::path path;

    explicit Shard(Codec codec = Codec::none)
        : entry(made::shard(folder.path(), schema, 2, 0, 25, {codec, 1, 1 << 20})),
          path(folder / entry.file) {}

    ShardReader reader(std::uint8_t key = 7) const {
        return ShardReader(path, entry, schema, "made@1", 2, made::key(key));
    }
    IndexEntry line(std::uint64_t number) const {
        IndexEntry found{};
        const Bytes bytes = read_file(path);
        std::memcpy(&found, bytes.data() + entry.index_offset + number * sizeof found, sizeof found);
        return found;
    }
    // Changes a line of the index, and the manifest's digest with it: only the bounds can catch that.
    void forge(std::uint64_t number, const IndexEntry& forged) {
        Bytes bytes = read_file(path);
        std::memcpy(bytes.data() + entry.index_offset + number * sizeof forged, &forged, sizeof forged);
        write_atomically(path, bytes);
        entry.index_sha256 = sha256(ByteView(bytes).subspan(entry.index_offset, entry.index_bytes));
    }
    std::string failure(std::size_t field, std::int64_t sample) const {
        try {
            reader().array(field, sample);
        } catch (const Error& e) {
            CHECK(e.fault() == Fault::data);
            return e.what();
        }
        return "";
    }
};

}  // namespace

TEST_CASE("any changed byte of a chunk is named by file, dataset and sample") {
    const Codec codec = GENERATE(Codec::none, Codec::lz4, Codec::zstd);
    const Shard shard(codec);
    const IndexEntry at = shard.line(index_line(shard.schema, 25, 0, 17));
    for (std::uint64_t i = 0; i < at.stored_bytes; i += codec == Codec::none ? 1 : 3) {
        made::flip(shard.path, at.offset + i);
        const std::string message = shard.failure(0, 17);
        REQUIRE_THAT(message, Catch::StartsWith("shard-000002.h5: /fields/image sample 17: "));
        if (i >= 80) REQUIRE_THAT(message, Catch::Contains("authentication failed"));
        made::flip(shard.path, at.offset + i);
    }
    CHECK(shard.failure(0, 17).empty());
    const IndexEntry column = shard.line(shard.schema.column("label"));
    made::flip(shard.path, column.offset + column.stored_bytes - 1);
    CHECK_THROWS_WITH(shard.reader().column(shard.schema.column("label")),
                      Catch::Contains("/columns/label: auth"));
}

TEST_CASE("another key, dataset or shard number opens nothing") {
    const Shard shard;
    Bytes out(400);
    CHECK_THROWS_WITH(shard.reader(8).read(0, 0, out), Catch::Contains("authentication failed"));
    CHECK_THROWS_AS(
        ShardReader(shard.path, shard.entry, shard.schema, "made@2", 2, made::key()).read(0, 0, out), Error);
    CHECK_THROWS_AS(
        ShardReader(shard.path, shard.entry, shard.schema, "made@1", 3, made::key()).read(0, 0, out), Error);
}

TEST_CASE("a changed index is found before anything is read through it") {
    const Shard shard;
    for (std::uint64_t i = 0; i < shard.entry.index_bytes; i += 11) {
        made::flip(shard.path, shard.entry.index_offset + i, 64);
        REQUIRE_THROWS_WITH(shard.reader(), Catch::Contains("/index: its digest differs"));
        made::flip(shard.path, shard.entry.index_offset + i, 64);
    }
    CHECK_NOTHROW(shard.reader());
}

TEST_CASE("an index that points outside the file, or at another sample, is refused") {
    const std::uint64_t huge = GENERATE(UINT64_MAX, UINT64_MAX - 500, std::uint64_t{1} << 40);
    Shard shard;
    const std::uint64_t number = index_line(shard.schema, 25, 0, 5);
    const IndexEntry good = shard.line(number), other = shard.line(number + 1);
    const auto refused = [&](const IndexEntry& forged) {
        shard.forge(number, forged);
        CHECK_THAT(shard.failure(0, 5), Catch::StartsWith("shard-000002.h5: /fields/image sample 5: "));
    };
    refused({huge, good.stored_bytes, good.raw_bytes});
    refused({good.offset, huge, good.raw_bytes});
    refused({good.offset, good.stored_bytes, huge});
    refused({shard.entry.bytes - 10, good.stored_bytes, good.raw_bytes});
    refused({good.offset, 0, good.raw_bytes});
    refused({good.offset, 95, good.raw_bytes});
    refused({good.offset, good.stored_bytes - 1, good.raw_bytes});
    refused({good.offset, good.stored_bytes - 1, good.raw_bytes - 1});
    refused({good.offset + 1, good.stored_bytes, good.raw_bytes});
    refused(other);
    refused(shard.line(0));
    shard.forge(number, good);
    CHECK(shard.failure(0, 5).empty());
}

TEST_CASE("what the manifest says of a shard is checked against the file") {
    const Shard shard;
    const auto refused = [&](auto change) {
        Shard copy;
        change(copy.entry);
        CHECK_THROWS_AS(copy.reader(), Error);
    };
    refused([](ShardEntry& e) { e.bytes += 1; });
    refused([](ShardEntry& e) { e.samples = 24; });
    refused([](ShardEntry& e) { e.samples = INT64_MAX; });
    refused([](ShardEntry& e) { e.samples = 0; });
    refused([](ShardEntry& e) { e.index_offset = UINT64_MAX; });
    refused([](ShardEntry& e) { e.index_offset += 8; });
    refused([](ShardEntry& e) { e.index_bytes = UINT64_MAX - 7; });
    for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{10}, shard.entry.bytes - 1}) {
        std::filesystem::resize_file(shard.path, size);
        CHECK_THROWS_AS(shard.reader(), Error);
    }
    CHECK_THROWS_AS(
        ShardReader("/nonexistent/shard-000002.h5", shard.entry, shard.schema, "made@1", 2, made::key()),
        Error);
}

TEST_CASE("a file that is cut under an open reader ends in an error that names the sample") {
    const Shard shard;
    const ShardReader reader = shard.reader();
    std::filesystem::resize_file(shard.path, 4096);
    Bytes out(400);
    CHECK_THROWS_WITH(reader.read(0, 24, out), Catch::Contains("shard-000002.h5: /fields/image sample 24: "));
    CHECK_THROWS_AS(reader.array(1, 24), Error);
    CHECK_THROWS_AS(reader.column(0), Error);
    reader.will_need(0, 0, 25);
}

TEST_CASE("a SIGBUS that is not ours goes where it went before") {
    const Shard shard;
    const pid_t child = fork();
    if (child == 0) {
        const ShardReader reader = shard.reader();  // installs the handler
        ::raise(SIGBUS);
        ::raise(SIGBUS);  // the first only restored the default
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status));
}

TEST_CASE("reading what is not there, or into memory of another size, is a bug of the caller") {
    const Shard shard;
    const ShardReader reader = shard.reader();
    Bytes out(400);
    CHECK_THROWS_AS(reader.read(0, 25, out), Error);
    CHECK_THROWS_AS(reader.read(0, -1, out), Error);
    CHECK_THROWS_AS(reader.array(2, 0), Error);
    out.resize(399);
    CHECK_THROWS_AS(reader.read(0, 0, out), Error);
    CHECK_THROWS_AS(reader.read(1, 0, out), Error);  // ragged
}
