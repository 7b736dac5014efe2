#include "staging/image/plane.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/base/error.h"

namespace staging {
namespace {

enum Kind : std::uint8_t { kRegular, kPadding, kNotFinite, kOutside };

// What of it is connected to the frame's edge becomes kOutside.
void reach_from_edge(std::vector<std::uint8_t>& kinds, std::size_t rows, std::size_t columns) {
    std::vector<std::size_t> next;
    const auto reach = [&](std::size_t y, std::size_t x) {
        std::uint8_t& kind = kinds[y * columns + x];
        if (kind != kPadding && kind != kNotFinite) return;
        kind = kOutside;
        next.push_back(y * columns + x);
    };
    for (std::size_t x = 0; x < columns; ++x) reach(0, x), reach(rows - 1, x);
    for (std::size_t y = 0; y < rows; ++y) reach(y, 0), reach(y, columns - 1);
    while (!next.empty()) {
        const std::size_t y = next.back() / columns, x = next.back() % columns;
        next.pop_back();
        if (y > 0) reach(y - 1, x);
        if (y + 1 < rows) reach(y + 1, x);
        if (x > 0) reach(y, x - 1);
        if (x + 1 < columns) reach(y, x + 1);
    }
}

double nth(std::vector<double>& values, double part) {
    const auto at =
        values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at;
}

// From where, and how far, values are scaled to 0 to 32767. Of a sample.
std::array<double, 2> window_of(std::vector<double>& some) {
    double low = nth(some, 0.001), range = nth(some, 0.999) - low;
    if (!(range > 0)) {
        // Nearly all is one value: the range is what half of the others differ by.
        std::vector<double> others;
        for (const double value : some)
            if (value != low) others.push_back(std::abs(value - low));
        range = others.empty() ? 1 : nth(others, 0.5);
    }
    return {low - range, 3 * range};
}

template <class T>
Plane plane_from(const Pixels& pixels, std::uint32_t frame, std::uint32_t channel, const Padding& padding) {
    Plane out(static_cast<int>(pixels.rows), static_cast<int>(pixels.columns));
    const std::size_t columns = pixels.columns, count = std::size_t{pixels.rows} * columns,
                      samples = pixels.samples;
    if (count == 0) return out;
    const std::uint8_t* from = pixels.bytes.data() + (frame * count * samples + channel) * sizeof(T);
    const auto at = [&](std::size_t i) {
        T value;
        std::memcpy(&value, from + i * samples * sizeof(T), sizeof value);
        return value;
    };
    std::vector<std::uint8_t> kinds(padding || std::is_floating_point_v<T> ? count : 0);
    for (std::size_t i = 0; i < kinds.size(); ++i) {
        const auto value = static_cast<double>(at(i));
        kinds[i] = !std::isfinite(value)                                         ? kNotFinite
                   : padding && value >= (*padding)[0] && value <= (*padding)[1] ? kPadding
                                                                                 : kRegular;
    }
    if (!kinds.empty()) reach_from_edge(kinds, pixels.rows, columns);
    const auto kind = [&](std::size_t i) { return kinds.empty() ? +kRegular : kinds[i]; };
    const auto is_value = [&](std::size_t i) { return kind(i) == kRegular || kind(i) == kPadding; };

    T low{}, high{};
    bool has_value = false;
    std::size_t values = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (!is_value(i)) continue;
        const T value = at(i);
        low = has_value ? std::min(low, value) : value;
        high = has_value ? std::max(high, value) : value;
        has_value = true;
        ++values;
    }
    // One value far below all others is padding that nobody declared: it comes as near to them as they are wide.
    T second = high;
    std::vector<double> rest;
    const std::size_t every = 1 + values / 16384;
    for (std::size_t i = 0, n = 0; i < count; ++i) {
        if (!is_value(i) || at(i) == low) continue;
        second = std::min(second, at(i));
        if (n++ % every == 0) rest.push_back(static_cast<double>(at(i)));
    }
    const double wide = rest.empty() ? 0 : nth(rest, 0.99) - nth(rest, 0.01);
    const bool is_far = wide > 0 && static_cast<double>(second) - static_cast<double>(low) > 8 * wide;
    const auto real = [&](T value) {
        return is_far && value == low ? static_cast<double>(second) - wide : static_cast<double>(value);
    };
    // A sixteenth of the largest ones, so that three ranges are finite.
    const double lowest = real(low), highest = real(high);
    const double unit = std::max(std::abs(lowest), std::abs(highest)) > 1e300 ? 1.0 / 16 : 1;
    const bool is_wide = std::is_floating_point_v<T> || highest - lowest > 32767;
    std::array<double, 2> window{lowest, 0};
    if (is_wide && has_value) {
        std::vector<double> some;
        const std::size_t step = 1 + values / (std::size_t{1} << 20);
        std::size_t n = 0;
        for (std::size_t i = 0; i < count; ++i)
            if (is_value(i) && n++ % step == 0) some.push_back(real(at(i)) * unit);
        window = window_of(some);
    }
    const auto level = [&](T value) {
        if (!is_wide) return static_cast<std::int16_t>(real(value) - lowest);
        const double part = (real(value) * unit - window[0]) / window[1];
        return static_cast<std::int16_t>(std::clamp(part, 0.0, 1.0) * 32767);
    };
    std::size_t i = 0;
    for (int y = 0; y < out.rows; ++y) {
        std::int16_t* to = out.row(y);
        for (int x = 0; x < out.columns; ++x, ++i)
            to[x] =
                is_value(i) ? level(at(i)) : static_cast<std::int16_t>(kind(i) == kOutside ? 0 : INT16_MAX);
    }
    if (values == count || values == 0) return out;
    std::vector<double> some;
    const std::size_t step = 1 + values / 16384;
    std::size_t n = 0;
    for (i = 0; i < count; ++i)
        if (is_value(i) && n++ % step == 0)
            some.push_back(out.row(static_cast<int>(i / columns))[i % columns]);
    const auto outside = static_cast<std::int16_t>(nth(some, 0.01));
    for (i = 0; i < count; ++i)
        if (kind(i) == kOutside) out.row(static_cast<int>(i / columns))[i % columns] = outside;
    return out;
}

}  // namespace

Plane::Plane(int height, int width)
    : rows(height),
      columns(width),
      stride((width + 2 * kMargin + 15) / 16 * 16),
      values(static_cast<std::size_t>(stride) * static_cast<std::size_t>(height + 2 * kMargin)) {}

std::array<int, 2> ends_of(const Plane& plane) {
    std::vector<std::int16_t> some;
    const int step = 1 + (std::max(plane.rows, plane.columns) - 1) / 128;
    for (int y = 0; y < plane.rows; y += step)
        for (int x = 0; x < plane.columns; x += step) some.push_back(plane.row(y)[x]);
    if (some.empty()) return {};
    const auto at = [&](double part) {
        const auto nth =
            some.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(some.size() - 1));
        std::nth_element(some.begin(), nth, some.end());
        return int{*nth};
    };
    const int low = at(0.01);
    return {low, at(0.99)};
}

int range_of(const Plane& plane) {
    const auto [low, high] = ends_of(plane);
    return high - low;
}

Plane plane_of(const Pixels& pixels, std::uint32_t frame, std::uint32_t channel, const Padding& padding) {
    if (pixels.bytes.size() != pixels.byte_count() || frame >= pixels.frames || channel >= pixels.samples)
        throw core::Error(core::Fault::bug, "decoded pixels without their bytes");
    switch (pixels.type) {
        case PixelType::u8:
            return plane_from<std::uint8_t>(pixels, frame, channel, padding);
        case PixelType::i8:
            return plane_from<std::int8_t>(pixels, frame, channel, padding);
        case PixelType::u16:
            return plane_from<std::uint16_t>(pixels, frame, channel, padding);
        case PixelType::i16:
            return plane_from<std::int16_t>(pixels, frame, channel, padding);
        case PixelType::u32:
            return plane_from<std::uint32_t>(pixels, frame, channel, padding);
        case PixelType::i32:
            return plane_from<std::int32_t>(pixels, frame, channel, padding);
        case PixelType::f32:
            return plane_from<float>(pixels, frame, channel, padding);
        case PixelType::f64:
            return plane_from<double>(pixels, frame, channel, padding);
        case PixelType::none:
            break;
    }
    throw core::Error(core::Fault::bug, "pixels of no type");
}

}  // namespace staging
