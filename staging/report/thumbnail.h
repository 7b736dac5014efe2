#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/shard/schema.h"

namespace staging {

inline constexpr std::int64_t kThumbnailSide = 160;  // pixels, at most

// The part of a sample that is drawn, in the sample's dimensions: of [C, H, W] all of it, of [C, D, H, W] slice D / 2; of three
// channels all, of others the first.
struct DrawnBox {
    std::vector<std::int64_t> origin, extent;
};
// Nothing: the shape is no image's.
std::optional<DrawnBox> drawn_box(const std::vector<std::int64_t>& shape);

struct Thumbnail {
    std::uint32_t width = 0, height = 0, channels = 1;  // 1: grey; 3: red, green, blue of each pixel
    core::Bytes pixels;                                 // 8 bit, row by row
};

// A box's elements, [channels, rows, columns] in memory order, as a person looks at them. Colours of u8 are taken as they are. All
// else is cut to the window from the 1st to the 99th percentile of its finite values (of n in order, counted from 0, those at
// floor((n - 1) / 100) and ceil(99 (n - 1) / 100)), which become 0 and 255; what is not finite is 0. Where a side is longer
// than kThumbnailSide, a pixel is the mean over the area that it covers, and the picture keeps its proportions.
Thumbnail thumbnail_of(core::ByteView elements, core::DType dtype, std::int64_t channels, std::int64_t rows,
                       std::int64_t columns);

core::Bytes png_of(const Thumbnail& thumbnail);

}  // namespace staging
