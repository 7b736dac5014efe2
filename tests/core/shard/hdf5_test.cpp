// What HDF5 itself sees of a shard: every other HDF5 program finds the same datasets and the same bytes.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "core/shard/chunk.h"
#include "core/shard/h5.h"
#include "core/shard/made.h"
#include "core/shard/tiles.h"
#include "support/scratch.h"

using namespace core;

TEST_CASE("HDF5 finds each tile of a volume where the index says, padded to a whole chunk") {
    const test::Scratch folder;
    const Schema schema{{{"volume", DType::i16, {}, "HU"}}, made::columns()};
    ShardWriter writer(folder / shard_file(0), schema, "made@1", 0, made::key(), {});
    Sample sample = made::sample(schema, 0);
    sample.fields[0].shape = {1, 130, 200, 101};
    sample.fields[0].bytes.assign(2 * 130 * 200 * 101, 5);
    writer.append(sample);
    const ShardEntry entry = writer.finish();
    const Bytes bytes = read_file(folder / entry.file);
    const auto line = [&](std::uint64_t number) {
        IndexEntry at{};
        std::memcpy(&at, bytes.data() + entry.index_offset + number * sizeof at, sizeof at);
        return at;
    };
    const Tiling tiles = Tiling::of(sample.fields[0].shape, 2);
    CHECK(tiles.count() == 8);  // of 65 x 100 x 51
    quiet_h5();
    const H5File file(H5Fopen((folder / entry.file).c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), "open");
    const H5Dataset dataset(H5Dopen2(file.get(), "/fields/volume/00000000", H5P_DEFAULT), "open");
    const H5Properties creation(H5Dget_create_plist(dataset.get()), "ask");
    hsize_t chunk[4] = {};
    REQUIRE(H5Pget_chunk(creation.get(), 4, chunk) == 4);
    CHECK(std::equal(chunk, chunk + 4, tiles.tile.begin()));
    for (std::uint64_t tile = 0; tile < tiles.count(); ++tile) {
        const Extent origin = tiles.origin(tile);
        const hsize_t at[4] = {static_cast<hsize_t>(origin[0]), static_cast<hsize_t>(origin[1]),
                               static_cast<hsize_t>(origin[2]), static_cast<hsize_t>(origin[3])};
        unsigned mask = 1;
        haddr_t address = 0;
        hsize_t stored = 0;
        REQUIRE(H5Dget_chunk_info_by_coord(dataset.get(), at, &mask, &address, &stored) >= 0);
        const IndexEntry expected = line(schema.columns.size() + 1 + tile);
        CHECK(address == expected.offset);
        CHECK(stored == expected.stored_bytes);
        CHECK(expected.raw_bytes == tiles.tile_bytes());
    }
}

TEST_CASE("HDF5 finds each chunk where the index says, with the same bytes") {
    const test::Scratch folder;
    const Schema schema{{{"image", DType::u8, {1, 20, 20}, "arbitrary"}, {"volume", DType::i16, {}, "HU"}},
                        made::columns()};
    const Codec codec = GENERATE(Codec::none, Codec::zstd);
    const std::int64_t count = 200;
    const ShardEntry entry = made::shard(folder.path(), schema, 0, 0, count, {codec, 2, 1 << 20});
    const Bytes bytes = read_file(folder / entry.file);
    quiet_h5();
    const H5File file(H5Fopen((folder / entry.file).c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), "open");
    std::vector<IndexEntry> index(entry.index_bytes / sizeof(IndexEntry));
    const H5Dataset lines(H5Dopen2(file.get(), "/index", H5P_DEFAULT), "open the index");
    REQUIRE(H5Dread(lines.get(), H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, index.data()) >= 0);
    CHECK(H5Dget_offset(lines.get()) == entry.index_offset);

    const auto check = [&](const std::string& name, std::vector<hsize_t> at, const IndexEntry& line) {
        const H5Dataset dataset(H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT), "open " + name);
        unsigned mask = 1;
        haddr_t address = 0;
        hsize_t stored = 0;
        REQUIRE(H5Dget_chunk_info_by_coord(dataset.get(), at.data(), &mask, &address, &stored) >= 0);
        CHECK(address == line.offset);
        CHECK(stored == line.stored_bytes);
        CHECK(mask == 0);
        Bytes chunk(stored);
        std::uint32_t filters = 1;
        REQUIRE(H5Dread_chunk(dataset.get(), H5P_DEFAULT, at.data(), &filters, chunk.data()) >= 0);
        CHECK(std::equal(chunk.begin(), chunk.end(), bytes.begin() + static_cast<std::ptrdiff_t>(address)));
        H5O_info_t info{};
        REQUIRE(H5Oget_info2(dataset.get(), &info, H5O_INFO_TIME) >= 0);
        CHECK(info.mtime == 0);  // no times
    };
    for (std::size_t c = 0; c < schema.columns.size(); ++c)
        check("/columns/" + schema.columns[c].name, {0}, index[c]);
    for (std::int64_t i = 0; i < count; ++i)
        check("/fields/image", {static_cast<hsize_t>(i), 0, 0, 0}, index[index_line(schema, count, 0, i)]);
    RaggedEntry volume{};
    std::memcpy(&volume, &index[index_line(schema, count, 1, 123)], sizeof volume);
    check("/fields/volume/00000123", {0, 0, 0}, index[volume.first_tile]);

    const H5Dataset image(H5Dopen2(file.get(), "/fields/image", H5P_DEFAULT), "open");
    const H5Space space(H5Dget_space(image.get()), "ask");
    hsize_t extent[4] = {};
    REQUIRE(H5Sget_simple_extent_dims(space.get(), extent, nullptr) == 4);
    CHECK(extent[0] == 200);
    CHECK(extent[3] == 20);
    Bytes plain(400 * 200);  // without the filter, HDF5 refuses instead of handing out ciphertext
    CHECK(H5Dread(image.get(), H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, plain.data()) < 0);
    const H5Dataset site(H5Dopen2(file.get(), "/columns/site", H5P_DEFAULT), "open");
    const H5Type type(H5Dget_type(site.get()), "ask");
    char name[16] = {};
    const std::int32_t code = 1;
    CHECK(H5Tenum_nameof(type.get(), &code, name, sizeof name) >= 0);
    CHECK(std::string(name) == "south");
}
