#include "staging/report/thumbnail.h"

#include <png.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

namespace staging {
namespace {

template <class T>
core::Bytes bytes_of(const std::vector<T>& values) {
    core::Bytes out(values.size() * sizeof(T));
    std::memcpy(out.data(), values.data(), out.size());
    return out;
}

std::vector<int> pixels(const Thumbnail& one) {
    return {one.pixels.begin(), one.pixels.end()};
}

TEST_CASE("An image's box is the image, a volume's its middle slice, and of odd channels the first") {
    CHECK(drawn_box({1, 4, 5})->extent == std::vector<std::int64_t>{1, 4, 5});
    CHECK(drawn_box({3, 4, 5})->extent == std::vector<std::int64_t>{3, 4, 5});
    CHECK(drawn_box({2, 4, 5})->extent == std::vector<std::int64_t>{1, 4, 5});
    CHECK(drawn_box({1, 7, 4, 5})->origin == std::vector<std::int64_t>{0, 3, 0, 0});
    CHECK(drawn_box({1, 7, 4, 5})->extent == std::vector<std::int64_t>{1, 1, 4, 5});
    for (const std::vector<std::int64_t>& shape :
         {std::vector<std::int64_t>{}, {30}, {4, 5}, {1, 2, 3, 4, 5}, {1, 0, 5}})
        CHECK_FALSE(drawn_box(shape));
}

TEST_CASE("What lies outside the 1st to the 99th percentile is black or white") {
    std::vector<std::int16_t> values(1000);
    std::iota(values.begin(), values.end(), std::int16_t{-500});
    values[999] = 32767;
    const Thumbnail one = thumbnail_of(bytes_of(values), core::DType::i16, 1, 20, 50);
    REQUIRE((one.width == 50 && one.height == 20 && one.channels == 1));
    for (int i = 0; i < 1000; ++i) {
        // 999 / 100 = 9; 99 x 999 / 100, upwards: 990.
        const double part = std::clamp((i - 9) / 981.0, 0.0, 1.0);
        CHECK(one.pixels[static_cast<std::size_t>(i)] == static_cast<int>(std::floor(part * 255 + 0.5)));
    }
}

TEST_CASE("A long image keeps its proportions, and each pixel is the mean of its area") {
    const auto [rows, columns] = GENERATE(
        std::pair<std::int64_t, std::int64_t>{333, 517}, std::pair<std::int64_t, std::int64_t>{1, 400},
        std::pair<std::int64_t, std::int64_t>{161, 7}, std::pair<std::int64_t, std::int64_t>{480, 480});
    std::mt19937 random(7);
    std::vector<std::uint8_t> values(static_cast<std::size_t>(3 * rows * columns));
    for (auto& value : values) value = static_cast<std::uint8_t>(random());
    const Thumbnail one = thumbnail_of(bytes_of(values), core::DType::u8, 3, rows, columns);
    REQUIRE(std::max(one.width, one.height) == 160);
    const double longest = static_cast<double>(std::max(rows, columns));
    CHECK(std::abs(one.width - std::max(1.0, columns * 160 / longest)) <= 0.5);
    CHECK(std::abs(one.height - std::max(1.0, rows * 160 / longest)) <= 0.5);
    // The integral of the picture, whose steps are each pixel's, over the area.
    for (const auto [x, y, channel] : {std::array<std::uint32_t, 3>{0, 0, 0},
                                       {one.width - 1, one.height - 1, 2},
                                       {one.width / 2, one.height / 3, 1}}) {
        const double left = static_cast<double>(x * columns) / one.width,
                     right = static_cast<double>((x + 1) * columns) / one.width,
                     top = static_cast<double>(y * rows) / one.height,
                     bottom = static_cast<double>((y + 1) * rows) / one.height;
        double sum = 0;
        for (std::int64_t r = 0; r < rows; ++r)
            for (std::int64_t c = 0; c < columns; ++c)
                sum += std::max(0.0, std::min(bottom, r + 1.0) - std::max(top, r + 0.0)) *
                       std::max(0.0, std::min(right, c + 1.0) - std::max(left, c + 0.0)) *
                       values[static_cast<std::size_t>((channel * rows + r) * columns + c)];
        const double mean = sum / ((right - left) * (bottom - top));
        CHECK(std::abs(one.pixels[(y * one.width + x) * 3 + channel] - mean) < 0.501);
    }
}

TEST_CASE("What is not finite is black, and one value alone, or none, has no window") {
    const float nan = std::numeric_limits<float>::quiet_NaN(),
                infinite = std::numeric_limits<float>::infinity();
    CHECK(pixels(thumbnail_of(bytes_of<float>({nan, 1, 2, infinite, 3, -infinite}), core::DType::f32, 1, 2,
                              3)) == std::vector<int>{0, 0, 128, 0, 255, 0});
    CHECK(pixels(thumbnail_of(bytes_of<float>({nan, nan}), core::DType::f32, 1, 1, 2)) ==
          std::vector<int>{0, 0});
    CHECK(pixels(thumbnail_of(bytes_of<std::uint16_t>({7, 7}), core::DType::u16, 1, 1, 2)) ==
          std::vector<int>{0, 0});
    // Their difference is more than a double holds.
    const double largest = std::numeric_limits<double>::max();
    CHECK(thumbnail_of(bytes_of<double>({-largest, 0, largest}), core::DType::f64, 1, 1, 3).pixels.size() ==
          3);
}

TEST_CASE("A PNG holds the pixels that were drawn, and the same bytes each time") {
    const std::uint32_t channels = GENERATE(1U, 3U);
    std::mt19937 random(9);
    Thumbnail one{17, 5, channels, core::Bytes(17 * 5 * channels)};
    for (auto& value : one.pixels) value = static_cast<std::uint8_t>(random());
    const core::Bytes png = png_of(one);
    CHECK(png_of(one) == png);
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    REQUIRE(png_image_begin_read_from_memory(&image, png.data(), png.size()));
    CHECK((image.width == 17 && image.height == 5));
    image.format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    core::Bytes read(PNG_IMAGE_SIZE(image));
    REQUIRE(png_image_finish_read(&image, nullptr, read.data(), 0, nullptr));
    CHECK(read == one.pixels);
}

}  // namespace
}  // namespace staging
