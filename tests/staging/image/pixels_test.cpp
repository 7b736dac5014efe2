#include "staging/image/pixels.h"

#include <catch2/catch.hpp>
#include <cstring>

using namespace staging;

namespace {

template <class T>
struct Image {
    std::vector<T> values;
    Pixels pixels;
    Image(std::vector<T> all, PixelType type, std::uint32_t frames, std::uint32_t rows, std::uint32_t columns,
          std::uint32_t samples)
        : values(std::move(all)) {
        pixels.frames = frames, pixels.rows = rows, pixels.columns = columns, pixels.samples = samples;
        pixels.type = type;
        pixels.bytes = {reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(T)};
    }
};

template <class T>
std::vector<T> values_of(const core::Array& array) {
    std::vector<T> out(array.bytes.size() / sizeof(T));
    std::memcpy(out.data(), array.bytes.data(), array.bytes.size());
    return out;
}

core::Field field(std::vector<std::int64_t> shape, core::DType dtype) {
    return {"image", dtype, std::move(shape), ""};
}
std::string rejected(const std::variant<core::Array, Rejection>& result) {
    const auto* rejection = std::get_if<Rejection>(&result);
    return rejection ? std::string(reason_name(rejection->reason)) : "taken";
}

}  // namespace

TEST_CASE("pixels keep their values in a wider type, of either sign") {
    const Image<std::int16_t> image({-32768, -1, 0, 1, 7, 32767}, PixelType::i16, 1, 2, 3, 1);
    const auto out = pixels_to_array(image.pixels, field({1, 2, 3}, core::DType::i32));
    CHECK(values_of<std::int32_t>(std::get<core::Array>(out)) ==
          std::vector<std::int32_t>{-32768, -1, 0, 1, 7, 32767});
    CHECK(values_of<float>(
              std::get<core::Array>(pixels_to_array(image.pixels, field({1, 2, 3}, core::DType::f32)))) ==
          std::vector<float>{-32768, -1, 0, 1, 7, 32767});
}

TEST_CASE("a value that the type cannot hold is never changed: the sample is left out") {
    const Image<std::uint16_t> fits({0, 255}, PixelType::u16, 1, 1, 2, 1),
        above({0, 256}, PixelType::u16, 1, 1, 2, 1);
    CHECK(rejected(pixels_to_array(fits.pixels, field({1, 1, 2}, core::DType::u8))) == "taken");
    CHECK(rejected(pixels_to_array(above.pixels, field({1, 1, 2}, core::DType::u8))) == "value_does_not_fit");
    const Image<std::int16_t> negative({-1, 0}, PixelType::i16, 1, 1, 2, 1);
    CHECK(rejected(pixels_to_array(negative.pixels, field({1, 1, 2}, core::DType::u16))) ==
          "value_does_not_fit");
    const Image<std::uint32_t> fine({1u << 24, (1u << 24) + 1}, PixelType::u32, 1, 1, 2, 1);
    CHECK(rejected(pixels_to_array(fine.pixels, field({1, 1, 2}, core::DType::f32))) == "value_does_not_fit");
    CHECK(rejected(pixels_to_array(fine.pixels, field({1, 1, 2}, core::DType::f64))) == "taken");
    const Image<float> real({1.5F, 2}, PixelType::f32, 1, 1, 2, 1);
    CHECK(rejected(pixels_to_array(real.pixels, field({1, 1, 2}, core::DType::i32))) == "value_does_not_fit");
}

TEST_CASE("colours and frames come channels first") {
    const Image<std::uint8_t> colour({1, 2, 3, 11, 12, 13}, PixelType::u8, 1, 1, 2, 3);
    const auto out = std::get<core::Array>(pixels_to_array(colour.pixels, field({3, 1, 2}, core::DType::u8)));
    CHECK(out.bytes == core::Bytes{1, 11, 2, 12, 3, 13});
    const Image<std::uint8_t> film({1, 2, 3, 4, 11, 12, 13, 14}, PixelType::u8, 2, 1, 2, 2);
    const auto ragged = std::get<core::Array>(pixels_to_array(film.pixels, field({}, core::DType::u8)));
    CHECK(ragged.shape == std::vector<std::int64_t>{2, 2, 1, 2});
    CHECK(ragged.bytes == core::Bytes{1, 3, 11, 13, 2, 4, 12, 14});
}

TEST_CASE("another shape than the field's is left out") {
    const Image<std::uint8_t> image({1, 2, 3, 4}, PixelType::u8, 1, 2, 2, 1),
        frames({1, 2}, PixelType::u8, 2, 1, 1, 1);
    CHECK(rejected(pixels_to_array(image.pixels, field({1, 1, 4}, core::DType::u8))) == "shape_differs");
    CHECK(rejected(pixels_to_array(frames.pixels, field({1, 1, 1}, core::DType::u8))) == "shape_differs");
    CHECK(rejected(pixels_to_array(frames.pixels, field({1, 2, 1, 1}, core::DType::u8))) == "taken");
}
