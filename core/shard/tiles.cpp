#include "core/shard/tiles.h"

#include <algorithm>
#include <cstring>

namespace core {

Extent extent_of(const std::vector<std::int64_t>& shape) noexcept {
    Extent extent{1, 1, 1, 1};
    std::copy_backward(shape.begin(), shape.end(), extent.end());
    return extent;
}

std::int64_t elements_of(const Extent& extent) noexcept {
    return extent[0] * extent[1] * extent[2] * extent[3];
}

Tiling Tiling::of(const std::vector<std::int64_t>& shape, std::size_t element_bytes) noexcept {
    Tiling out;
    out.shape = out.tile = extent_of(shape);
    out.element_bytes = element_bytes;
    Extent parts{1, 1, 1, 1};
    while (out.tile_bytes() > kTileBytes) {
        // The longest side is cut once more, of equals the slowest: tiles come out nearly cubic.
        const auto longest =
            static_cast<std::size_t>(std::max_element(out.tile.begin(), out.tile.end()) - out.tile.begin());
        ++parts[longest];
        out.tile[longest] = (out.shape[longest] + parts[longest] - 1) / parts[longest];
    }
    for (std::size_t i = 0; i < 4; ++i) out.grid[i] = (out.shape[i] + out.tile[i] - 1) / out.tile[i];
    return out;
}

Extent Tiling::origin(std::uint64_t number) const noexcept {
    Extent at{};
    for (std::size_t i = 4; i-- > 0;) {
        const auto side = static_cast<std::uint64_t>(grid[i]);
        at[i] = static_cast<std::int64_t>(number % side) * tile[i];
        number /= side;
    }
    return at;
}

std::vector<std::uint64_t> Tiling::touching(const Box& box) const {
    Extent first{}, last{};
    for (std::size_t i = 0; i < 4; ++i) {
        first[i] = box.origin[i] / tile[i];
        last[i] = (box.origin[i] + box.extent[i] - 1) / tile[i];
    }
    std::vector<std::uint64_t> out;
    Extent at{};
    for (at[0] = first[0]; at[0] <= last[0]; ++at[0])
        for (at[1] = first[1]; at[1] <= last[1]; ++at[1])
            for (at[2] = first[2]; at[2] <= last[2]; ++at[2])
                for (at[3] = first[3]; at[3] <= last[3]; ++at[3])
                    out.push_back(static_cast<std::uint64_t>(
                        ((at[0] * grid[1] + at[1]) * grid[2] + at[2]) * grid[3] + at[3]));
    return out;
}

Box Tiling::shared(std::uint64_t number, const Box& box) const noexcept {
    const Extent start = origin(number);
    Box out;
    for (std::size_t i = 0; i < 4; ++i) {
        out.origin[i] = std::max(start[i], box.origin[i]);
        out.extent[i] =
            std::min({start[i] + tile[i], box.origin[i] + box.extent[i], shape[i]}) - out.origin[i];
    }
    return out;
}

void copy_box(std::uint8_t* to, const Extent& to_shape, const Extent& to_origin, const std::uint8_t* from,
              const Extent& from_shape, const Extent& from_origin, const Extent& extent,
              std::size_t element_bytes) noexcept {
    const auto place = [&](const Extent& shape, const Extent& origin, std::int64_t a, std::int64_t b,
                           std::int64_t c) {
        return static_cast<std::size_t>(
                   (((origin[0] + a) * shape[1] + origin[1] + b) * shape[2] + origin[2] + c) * shape[3] +
                   origin[3]) *
               element_bytes;
    };
    const std::size_t row = static_cast<std::size_t>(extent[3]) * element_bytes;
    for (std::int64_t a = 0; a < extent[0]; ++a)
        for (std::int64_t b = 0; b < extent[1]; ++b)
            for (std::int64_t c = 0; c < extent[2]; ++c)
                std::memcpy(to + place(to_shape, to_origin, a, b, c),
                            from + place(from_shape, from_origin, a, b, c), row);
}

}  // namespace core
