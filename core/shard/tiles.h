#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "core/base/bytes.h"

namespace core {

// A tile holds at most this many bytes.
inline constexpr std::uint64_t kTileBytes = 1 << 20;
// A sample of a ragged field holds at most this many.
inline constexpr std::uint64_t kMaxRaggedBytes = std::uint64_t{1} << 40;

// Four dimensions, slowest first; arrays of fewer have ones in front.
using Extent = std::array<std::int64_t, 4>;
Extent extent_of(const std::vector<std::int64_t>& shape) noexcept;
std::int64_t elements_of(const Extent& extent) noexcept;

struct Box {
    Extent origin{}, extent{};
};

// How a sample of a ragged field is cut (FORMAT.md, "Tiles"): a function of its shape and its element's size
// alone. Tiles are numbered over the grid, the last dimension fastest.
struct Tiling {
    Extent shape{}, tile{}, grid{};
    std::size_t element_bytes = 1;

    // `shape`: 1 to 4 positive extents, kMaxRaggedBytes at most.
    static Tiling of(const std::vector<std::int64_t>& shape, std::size_t element_bytes) noexcept;

    std::uint64_t count() const noexcept { return static_cast<std::uint64_t>(elements_of(grid)); }
    std::uint64_t tile_bytes() const noexcept {
        return static_cast<std::uint64_t>(elements_of(tile)) * element_bytes;
    }
    // Where tile `number` begins; its extent is `tile`, beyond the sample's edge too.
    Extent origin(std::uint64_t number) const noexcept;
    // The tiles that `box`, which lies inside the sample, touches; in order.
    std::vector<std::uint64_t> touching(const Box& box) const;
    // What tile `number` and `box` share. Only for tiles that touch it.
    Box shared(std::uint64_t number, const Box& box) const noexcept;
};

// Copies `extent` elements, from `from_origin` of an array of `from_shape` to `to_origin` of one of `to_shape`.
void copy_box(std::uint8_t* to, const Extent& to_shape, const Extent& to_origin, const std::uint8_t* from,
              const Extent& from_shape, const Extent& from_origin, const Extent& extent,
              std::size_t element_bytes) noexcept;

}  // namespace core
