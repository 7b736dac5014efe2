#include "staging/report/thumbnail.h"

#include <png.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "core/base/error.h"

namespace staging {
namespace {

template <class T>
T element(core::ByteView elements, std::int64_t at) {
    T value;
    std::memcpy(&value, elements.data() + static_cast<std::size_t>(at) * sizeof value, sizeof value);
    return value;
}

template <class T>
bool is_finite(T value) {
    if constexpr (std::is_floating_point_v<T>) return std::isfinite(value);
    return true;
}

struct Window {
    double low = 0, high = 255;

    double cut(double value) const { return std::clamp(value, low, high); }
    std::uint8_t grey(double value) const {
        const double part = (value - low) / (high - low);  // not a number where there is one value only
        if (!(part > 0)) return 0;
        return part < 1 ? static_cast<std::uint8_t>(std::floor(part * 255 + 0.5)) : 255;
    }
};

template <class T>
Window window_of(core::ByteView elements) {
    std::vector<T> finite;
    const auto count = static_cast<std::int64_t>(elements.size() / sizeof(T));
    finite.reserve(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i)
        if (const T value = element<T>(elements, i); is_finite(value)) finite.push_back(value);
    if (finite.empty()) return {0, 0};
    const auto last = static_cast<std::int64_t>(finite.size()) - 1;
    const auto at = [&](std::int64_t place) {
        std::nth_element(finite.begin(), finite.begin() + place, finite.end());
        return static_cast<double>(finite[static_cast<std::size_t>(place)]);
    };
    return {at(last / 100), at((99 * last + 99) / 100)};
}

// How much of `cell` of `count` places lies in `place` of `shown`, where all of them are as long as shown x count: whole numbers.
std::int64_t overlap(std::int64_t cell, std::int64_t count, std::int64_t place, std::int64_t shown) {
    return std::min((cell + 1) * shown, (place + 1) * count) - std::max(cell * shown, place * count);
}

// The mean over the area of each pixel of height x width, of one channel.
template <class T>
std::vector<double> area_means(core::ByteView elements, const Window& window, std::int64_t rows,
                               std::int64_t columns, std::int64_t height, std::int64_t width) {
    std::vector<double> sums(static_cast<std::size_t>(height * width)), line(static_cast<std::size_t>(width));
    for (std::int64_t row = 0; row < rows; ++row) {
        std::fill(line.begin(), line.end(), 0.0);
        for (std::int64_t column = 0; column < columns; ++column) {
            const T value = element<T>(elements, row * columns + column);
            const double cut = is_finite(value) ? window.cut(static_cast<double>(value)) : window.low;
            for (std::int64_t x = column * width / columns; x < width && x * columns < (column + 1) * width;
                 ++x)
                line[static_cast<std::size_t>(x)] +=
                    cut * static_cast<double>(overlap(column, columns, x, width));
        }
        for (std::int64_t y = row * height / rows; y < height && y * rows < (row + 1) * height; ++y)
            for (std::int64_t x = 0; x < width; ++x)
                sums[static_cast<std::size_t>(y * width + x)] +=
                    line[static_cast<std::size_t>(x)] * static_cast<double>(overlap(row, rows, y, height));
    }
    for (double& sum : sums) sum /= static_cast<double>(rows) * static_cast<double>(columns);
    return sums;
}

// So long that the longest of the sides fits.
std::int64_t shown(std::int64_t side, std::int64_t longest) {
    if (longest <= kThumbnailSide) return side;
    return std::max<std::int64_t>(1, (2 * side * kThumbnailSide + longest) / (2 * longest));
}

}  // namespace

std::optional<DrawnBox> drawn_box(const std::vector<std::int64_t>& shape) {
    if (shape.size() != 3 && shape.size() != 4) return std::nullopt;
    if (std::any_of(shape.begin(), shape.end(), [](std::int64_t side) { return side < 1; }))
        return std::nullopt;
    DrawnBox box{std::vector<std::int64_t>(shape.size()), shape};
    if (shape[0] != 3) box.extent[0] = 1;
    if (shape.size() == 4) {
        box.origin[1] = shape[1] / 2;
        box.extent[1] = 1;
    }
    return box;
}

Thumbnail thumbnail_of(core::ByteView elements, core::DType dtype, std::int64_t channels, std::int64_t rows,
                       std::int64_t columns) {
    assert((channels == 1 || channels == 3) && rows > 0 && columns > 0);
    assert(elements.size() == static_cast<std::size_t>(channels * rows * columns) * core::bytes_of(dtype));
    const std::int64_t longest = std::max(rows, columns), height = shown(rows, longest),
                       width = shown(columns, longest);
    Thumbnail out{static_cast<std::uint32_t>(width),
                  static_cast<std::uint32_t>(height),
                  static_cast<std::uint32_t>(channels),
                  {}};
    out.pixels.resize(static_cast<std::size_t>(channels * height * width));
    core::with_type(dtype, [&](auto zero) {
        using T = decltype(zero);
        const bool is_colour = channels == 3 && dtype == core::DType::u8;
        const Window window = is_colour ? Window{} : window_of<T>(elements);
        const std::size_t channel_bytes = elements.size() / static_cast<std::size_t>(channels);
        for (std::int64_t channel = 0; channel < channels; ++channel) {
            const std::vector<double> means = area_means<T>(
                elements.subspan(static_cast<std::size_t>(channel) * channel_bytes, channel_bytes), window,
                rows, columns, height, width);
            for (std::size_t i = 0; i < means.size(); ++i)
                out.pixels[i * static_cast<std::size_t>(channels) + static_cast<std::size_t>(channel)] =
                    window.grey(means[i]);
        }
    });
    return out;
}

core::Bytes png_of(const Thumbnail& thumbnail) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = thumbnail.width;
    image.height = thumbnail.height;
    image.format = thumbnail.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
    core::Bytes out(bytes);
    if (!png_image_write_to_memory(&image, out.data(), &bytes, 0, thumbnail.pixels.data(), 0, nullptr))
        throw core::Error(core::Fault::bug, std::string("libpng: ") + image.message);
    out.resize(bytes);
    return out;
}

}  // namespace staging
