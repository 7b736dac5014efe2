#include "core/shard/reader.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <random>

#include "core/base/error.h"
#include "core/shard/chunk.h"
#include "core/shard/made.h"
#include "core/shard/tiles.h"
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

namespace {

// A volume of many tiles, and its plain bytes.
struct Volume {
    test::Scratch folder;
    Schema schema{{{"volume", DType::u16, {}, "HU"}, {"image", DType::u16, {1, 20, 20}, ""}},
                  made::columns()};
    std::vector<std::int64_t> shape{1, 130, 150, 170};
    Array array;
    ShardEntry entry;

    explicit Volume(Codec codec = Codec::none) {
        Sample sample = made::sample(schema, 0);
        array.shape = shape;
        array.bytes.resize(2 * 130 * 150 * 170);
        std::mt19937 random(11);
        for (auto& byte : array.bytes) byte = static_cast<std::uint8_t>(random() % 7);
        sample.fields[0] = array;
        ShardWriter writer(folder / shard_file(0), schema, "made@1", 0, made::key(), {codec, 1, 1 << 20});
        writer.append(made::sample(schema, 1));
        writer.append(sample);
        entry = writer.finish();
    }
    std::filesystem::path path() const { return folder / entry.file; }
    ShardReader reader() const { return ShardReader(path(), entry, schema, "made@1", 0, made::key()); }
    Tiling tiles() const { return Tiling::of(shape, 2); }
    Bytes box(const std::vector<std::int64_t>& origin, const std::vector<std::int64_t>& extent) const {
        const Extent size = extent_of(extent);
        Bytes out(static_cast<std::size_t>(elements_of(size)) * 2);
        copy_box(out.data(), size, {}, array.bytes.data(), extent_of(shape), extent_of(origin), size, 2);
        return out;
    }
};

}  // namespace

TEST_CASE("a patch of a volume is the volume's, whatever its place and size") {
    const Volume volume(GENERATE(Codec::none, Codec::lz4, Codec::zstd));
    const ShardReader reader = volume.reader();
    REQUIRE(volume.tiles().count() > 7);
    CHECK(reader.shape(0, 1) == volume.shape);
    CHECK(reader.array(0, 1).bytes == volume.array.bytes);
    std::mt19937 random(12);
    for (int round = 0; round < 60; ++round) {
        std::vector<std::int64_t> origin(4, 0), extent(4, 1);
        for (std::size_t i = 1; i < 4; ++i) {
            origin[i] = random() % volume.shape[i];
            extent[i] = 1 + random() % (volume.shape[i] - origin[i]);
        }
        Bytes out(volume.box(origin, extent).size()), shared(out.size());
        reader.read_box(0, 1, origin, extent, out);
        CHECK(out == volume.box(origin, extent));
        for (const std::uint64_t tile : reader.tiles(0, 1, origin, extent))
            reader.read_tile(0, 1, tile, origin, extent, shared);
        CHECK(shared == out);
    }
    Bytes patch(2 * 5 * 6);  // of a field of fixed shape
    reader.read_box(1, 0, std::vector<std::int64_t>{0, 3, 4}, std::vector<std::int64_t>{1, 5, 6}, patch);
    const Bytes image = reader.array(1, 0).bytes;
    for (std::size_t row = 0; row < 5; ++row)
        CHECK(std::memcmp(patch.data() + row * 12, image.data() + ((3 + row) * 20 + 4) * 2, 12) == 0);
}

TEST_CASE("a patch needs its own tiles and no others; a damaged one is named") {
    const Volume volume;
    const Tiling tiles = volume.tiles();
    const std::uint64_t last = tiles.count() - 1;
    IndexEntry at{};
    {
        const Bytes bytes = read_file(volume.path());
        const std::uint64_t line = index_lines(volume.schema, 2) + 1 + last;  // after the tile of sample 0
        std::memcpy(&at, bytes.data() + volume.entry.index_offset + line * sizeof at, sizeof at);
    }
    made::flip(volume.path(), at.offset + at.stored_bytes / 2);
    const ShardReader reader = volume.reader();
    const std::vector<std::int64_t> corner{0, 0, 0, 0}, end{0, 129, 149, 169}, size{1, 40, 30, 20},
        one{1, 1, 1, 1};
    Bytes out(2 * 40 * 30 * 20), element(2);
    reader.read_box(0, 1, corner, size, out);
    CHECK(out == volume.box(corner, size));
    const std::string name =
        "shard-000000.h5: /fields/volume sample 1 tile " + std::to_string(last) + ": auth";
    CHECK_THROWS_WITH(reader.read_box(0, 1, end, one, element), Catch::StartsWith(name));
    CHECK_THROWS_WITH(reader.array(0, 1), Catch::StartsWith(name));
    CHECK_THROWS_WITH(verify_shard(volume.path(), volume.entry, volume.schema, "made@1", 0, made::key()),
                      Catch::StartsWith(name));
}

TEST_CASE("a box outside the sample, or of another rank, is a bug of the caller") {
    const Volume volume;
    const ShardReader reader = volume.reader();
    Bytes out(2);
    const auto refused = [&](const std::vector<std::int64_t>& origin,
                             const std::vector<std::int64_t>& extent) {
        CHECK_THROWS_AS(reader.read_box(0, 1, origin, extent, out), Error);
    };
    refused({0, 130, 0, 0}, {1, 1, 1, 1});
    refused({0, -1, 0, 0}, {1, 1, 1, 1});
    refused({0, 0, 0, 0}, {1, 1, 1, 171});
    refused({0, 0, 0, 0}, {1, 1, 1, INT64_MAX});
    refused({0, 0, 0, 0}, {1, 1, 1, 0});
    refused({0, 0, 0}, {1, 1, 1});
    refused({0, 0, 0, 0}, {1, 1, 1, 2});  // another size than out's
    const std::vector<std::int64_t> origin{0, 0, 0, 0}, extent{1, 1, 1, 1};
    CHECK_THROWS_AS(reader.read_tile(0, 1, 1, origin, extent, out), Error);  // does not touch it
    CHECK_THROWS_AS(reader.read_tile(0, 1, 1000, origin, extent, out), Error);
}

TEST_CASE("a line of a ragged sample that leads elsewhere is refused") {
    const std::uint64_t huge = GENERATE(UINT64_MAX, UINT64_MAX - 3, std::uint64_t{1} << 40, std::uint64_t{0});
    Shard shard;
    const std::uint64_t number = index_line(shard.schema, 25, 1, 5);
    RaggedEntry good{};
    {
        const IndexEntry line = shard.line(number);
        std::memcpy(&good, &line, sizeof good);
    }
    const auto refused = [&](const RaggedEntry& forged) {
        IndexEntry line{};
        std::memcpy(&line, &forged, sizeof line);
        shard.forge(number, line);
        CHECK_THAT(shard.failure(1, 5), Catch::StartsWith("shard-000002.h5: /fields/volume sample 5"));
    };
    refused({huge, good.shape});
    refused({good.first_tile + 1, good.shape});
    refused({good.first_tile, {}});
    refused({good.first_tile, {0, good.shape[0], good.shape[1], good.shape[2]}});
    refused({good.first_tile, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}});
    refused({good.first_tile, {good.shape[0], good.shape[1], good.shape[2], 2}});
    refused({good.first_tile, {good.shape[1], good.shape[0], good.shape[2], 0}});
    refused({good.first_tile, {1 << 20, 1 << 19, 0, 0}});  // more tiles than there are lines
    IndexEntry line{};
    std::memcpy(&line, &good, sizeof line);
    shard.forge(number, line);
    CHECK(shard.failure(1, 5).empty());
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
