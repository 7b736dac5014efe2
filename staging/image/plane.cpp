#include "staging/image/plane.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "core/base/error.h"

namespace staging {
namespace {

template <class T>
Plane plane_from(const Pixels& pixels, std::uint32_t frame, std::uint32_t channel) {
    Plane out(static_cast<int>(pixels.rows), static_cast<int>(pixels.columns));
    const std::size_t count = std::size_t{pixels.rows} * pixels.columns, samples = pixels.samples;
    const std::uint8_t* from = pixels.bytes.data() + (frame * count * samples + channel) * sizeof(T);
    const auto at = [&](std::size_t i) {
        T value;
        std::memcpy(&value, from + i * samples * sizeof(T), sizeof value);
        if constexpr (std::is_floating_point_v<T>)
            if (!std::isfinite(value)) return T{0};
        return value;
    };
    T low = count ? at(0) : T{}, high = low;
    for (std::size_t i = 1; i < count; ++i) {
        low = std::min(low, at(i));
        high = std::max(high, at(i));
    }
    // What is no whole number, or more than 15 bits wide, is scaled.
    const double range = static_cast<double>(high) - static_cast<double>(low);
    const bool is_wide = range > 32767 || std::is_floating_point_v<T>;
    const double scale = range > 0 ? 32767 / range : 0;
    for (int y = 0; y < out.rows; ++y) {
        std::int16_t* to = out.row(y);
        for (int x = 0; x < out.columns; ++x) {
            const T value = at(static_cast<std::size_t>(y) * pixels.columns + static_cast<std::size_t>(x));
            to[x] = is_wide ? static_cast<std::int16_t>(
                                  (static_cast<double>(value) - static_cast<double>(low)) * scale)
                            : static_cast<std::int16_t>(value - low);
        }
    }
    return out;
}

}  // namespace

Plane::Plane(int height, int width)
    : rows(height),
      columns(width),
      stride((width + 2 * kMargin + 15) / 16 * 16),
      values(static_cast<std::size_t>(stride) * static_cast<std::size_t>(height + 2 * kMargin)) {}

int range_of(const Plane& plane) {
    std::vector<std::int16_t> some;
    const int step = 1 + (std::max(plane.rows, plane.columns) - 1) / 128;
    for (int y = 0; y < plane.rows; y += step)
        for (int x = 0; x < plane.columns; x += step) some.push_back(plane.row(y)[x]);
    if (some.empty()) return 0;
    const auto at = [&](double part) {
        const auto nth =
            some.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(some.size() - 1));
        std::nth_element(some.begin(), nth, some.end());
        return int{*nth};
    };
    const int low = at(0.01);
    return at(0.99) - low;
}

Plane plane_of(const Pixels& pixels, std::uint32_t frame, std::uint32_t channel) {
    if (pixels.bytes.size() != pixels.byte_count() || frame >= pixels.frames || channel >= pixels.samples)
        throw core::Error(core::Fault::bug, "decoded pixels without their bytes");
    switch (pixels.type) {
        case PixelType::u8:
            return plane_from<std::uint8_t>(pixels, frame, channel);
        case PixelType::i8:
            return plane_from<std::int8_t>(pixels, frame, channel);
        case PixelType::u16:
            return plane_from<std::uint16_t>(pixels, frame, channel);
        case PixelType::i16:
            return plane_from<std::int16_t>(pixels, frame, channel);
        case PixelType::u32:
            return plane_from<std::uint32_t>(pixels, frame, channel);
        case PixelType::i32:
            return plane_from<std::int32_t>(pixels, frame, channel);
        case PixelType::f32:
            return plane_from<float>(pixels, frame, channel);
        case PixelType::f64:
            return plane_from<double>(pixels, frame, channel);
        case PixelType::none:
            break;
    }
    throw core::Error(core::Fault::bug, "pixels of no type");
}

}  // namespace staging
