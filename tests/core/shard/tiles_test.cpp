#include "core/shard/tiles.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <random>

using namespace core;

namespace {

std::vector<std::int64_t> tile_of(const std::vector<std::int64_t>& shape, std::size_t element_bytes) {
    const Tiling tiles = Tiling::of(shape, element_bytes);
    return {tiles.tile.end() - static_cast<std::ptrdiff_t>(shape.size()), tiles.tile.end()};
}

}  // namespace

TEST_CASE("tiles of common volumes are those of FORMAT.md") {
    using Shape = std::vector<std::int64_t>;
    CHECK(tile_of({1, 512, 512}, 2) == Shape{1, 512, 512});  // half a MiB: one tile
    CHECK(tile_of({1, 300, 512, 512}, 2) == Shape{1, 75, 74, 86});
    CHECK(tile_of({300, 512, 512}, 2) == Shape{75, 74, 86});
    CHECK(tile_of({1, 160, 256, 256}, 4) == Shape{1, 54, 64, 64});
    CHECK(tile_of({1 << 21}, 1) == Shape{1 << 20});
    CHECK(tile_of({(1 << 21) + 1}, 1) == Shape{699051});  // three of equal size, not two and a byte
    CHECK(tile_of({7}, 8) == Shape{7});
}

TEST_CASE("every element lies in one tile, tiles are at most 1 MiB, and little of them is padding") {
    std::mt19937_64 random(4);
    for (int round = 0; round < 200; ++round) {
        std::vector<std::int64_t> shape(1 + random() % 4);
        for (auto& extent : shape) extent = static_cast<std::int64_t>(1 + random() % (round % 2 ? 40 : 400));
        const std::size_t element_bytes = std::size_t{1} << (random() % 4);
        const Tiling tiles = Tiling::of(shape, element_bytes);
        CHECK(tiles.tile_bytes() <= kTileBytes);
        std::int64_t covered = 0;
        std::uint64_t padded = 0;
        for (std::uint64_t tile = 0; tile < tiles.count(); ++tile) {
            const Box part = tiles.shared(tile, {{}, tiles.shape});
            CHECK(part.origin == tiles.origin(tile));
            CHECK(*std::min_element(part.extent.begin(), part.extent.end()) > 0);
            covered += elements_of(part.extent);
            padded += tiles.tile_bytes();
        }
        CHECK(covered == elements_of(tiles.shape));
        for (std::size_t i = 0; i < 4; ++i)
            CHECK(tiles.grid[i] * tiles.tile[i] - tiles.shape[i] < tiles.grid[i]);
        if (tiles.count() == 1) CHECK(padded == static_cast<std::uint64_t>(covered) * element_bytes);
    }
}

TEST_CASE("a box touches exactly the tiles that share an element with it") {
    std::mt19937_64 random(5);
    const Tiling tiles = Tiling::of({3, 200, 150, 170}, 2);
    REQUIRE(tiles.count() > 8);
    for (int round = 0; round < 300; ++round) {
        Box box;
        for (std::size_t i = 0; i < 4; ++i) {
            box.origin[i] = static_cast<std::int64_t>(random()) & 0xffff;
            box.origin[i] %= tiles.shape[i];
            box.extent[i] = 1 + static_cast<std::int64_t>(
                                    random() % static_cast<std::uint64_t>(tiles.shape[i] - box.origin[i]));
        }
        std::vector<std::uint64_t> expected;
        for (std::uint64_t tile = 0; tile < tiles.count(); ++tile) {
            const Extent at = tiles.origin(tile);
            bool touches = true;
            for (std::size_t i = 0; i < 4; ++i)
                touches =
                    touches && at[i] < box.origin[i] + box.extent[i] && box.origin[i] < at[i] + tiles.tile[i];
            if (touches) expected.push_back(tile);
        }
        CHECK(tiles.touching(box) == expected);
    }
}

TEST_CASE("a copied box is the same elements at the other place") {
    const Extent from_shape{2, 5, 4, 3}, to_shape{1, 3, 4, 5}, extent{1, 2, 3, 2}, from_origin{1, 2, 1, 1},
        to_origin{0, 1, 0, 3};
    std::vector<std::uint16_t> from(120), to(60, 999);
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::uint16_t>(i);
    copy_box(reinterpret_cast<std::uint8_t*>(to.data()), to_shape, to_origin,
             reinterpret_cast<const std::uint8_t*>(from.data()), from_shape, from_origin, extent, 2);
    for (std::int64_t b = 0; b < 3; ++b)
        for (std::int64_t c = 0; c < 4; ++c)
            for (std::int64_t d = 0; d < 5; ++d) {
                const bool inside = b >= 1 && c < 3 && d >= 3;
                const std::int64_t source = ((1 * 5 + 2 + b - 1) * 4 + 1 + c) * 3 + 1 + d - 3;
                CHECK(to[static_cast<std::size_t>((b * 4 + c) * 5 + d)] == (inside ? source : 999));
            }
}
