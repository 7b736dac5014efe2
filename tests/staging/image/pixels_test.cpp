#include "staging/image/pixels.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

using namespace staging;

namespace {

template <class T>
struct Image {
    std::vector<T> values;
    Record record;
    Image(std::vector<T> all, PixelType type, std::uint32_t frames, std::uint32_t rows, std::uint32_t columns,
          std::uint32_t samples, unsigned bits = sizeof(T) * 8)
        : values(std::move(all)) {
        Pixels& pixels = record.pixels;
        pixels.photometric = "MONOCHROME2";
        pixels.bits_stored = static_cast<std::uint16_t>(bits);
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

FieldChoice field(std::vector<std::int64_t> shape, core::DType dtype) {
    FieldChoice choice;
    choice.field = {"image", dtype, std::move(shape), ""};
    return choice;
}
std::string rejected(const std::variant<core::Array, Rejection>& result) {
    const auto* rejection = std::get_if<Rejection>(&result);
    return rejection ? std::string(reason_name(rejection->reason)) : "taken";
}

}  // namespace

TEST_CASE("pixels keep their values in a wider type, of either sign") {
    const Image<std::int16_t> image({-32768, -1, 0, 1, 7, 32767}, PixelType::i16, 1, 2, 3, 1);
    const auto out = pixels_to_array(image.record, field({1, 2, 3}, core::DType::i32));
    CHECK(values_of<std::int32_t>(std::get<core::Array>(out)) ==
          std::vector<std::int32_t>{-32768, -1, 0, 1, 7, 32767});
    CHECK(values_of<float>(
              std::get<core::Array>(pixels_to_array(image.record, field({1, 2, 3}, core::DType::f32)))) ==
          std::vector<float>{-32768, -1, 0, 1, 7, 32767});
}

TEST_CASE("a value that the type cannot hold is never changed: the sample is left out") {
    const Image<std::uint16_t> fits({0, 255}, PixelType::u16, 1, 1, 2, 1),
        above({0, 256}, PixelType::u16, 1, 1, 2, 1);
    CHECK(rejected(pixels_to_array(fits.record, field({1, 1, 2}, core::DType::u8))) == "taken");
    CHECK(rejected(pixels_to_array(above.record, field({1, 1, 2}, core::DType::u8))) == "value_does_not_fit");
    const Image<std::int16_t> negative({-1, 0}, PixelType::i16, 1, 1, 2, 1);
    CHECK(rejected(pixels_to_array(negative.record, field({1, 1, 2}, core::DType::u16))) ==
          "value_does_not_fit");
    const Image<std::uint32_t> fine({1u << 24, (1u << 24) + 1}, PixelType::u32, 1, 1, 2, 1);
    CHECK(rejected(pixels_to_array(fine.record, field({1, 1, 2}, core::DType::f32))) == "value_does_not_fit");
    CHECK(rejected(pixels_to_array(fine.record, field({1, 1, 2}, core::DType::f64))) == "taken");
    const Image<float> real({1.5F, 2}, PixelType::f32, 1, 1, 2, 1);
    CHECK(rejected(pixels_to_array(real.record, field({1, 1, 2}, core::DType::i32))) == "value_does_not_fit");
    for (const double bad : {-32769.0, 32768.0, 0.5, 1e300, std::nan(""), -HUGE_VAL}) {
        const Image<double> one({1, bad}, PixelType::f64, 1, 1, 2, 1);
        CHECK(rejected(pixels_to_array(one.record, field({1, 1, 2}, core::DType::i16))) ==
              "value_does_not_fit");
    }
}

TEST_CASE("a floating-point file whose values are whole is as good as one of integers") {
    const Image<float> single({-32768, -0.0F, 7, 32767}, PixelType::f32, 1, 1, 4, 1);
    const Image<double> twice({-32768, -0.0, 7, 32767}, PixelType::f64, 1, 1, 4, 1);
    for (const Record* record : {&single.record, &twice.record})
        CHECK(values_of<std::int16_t>(
                  std::get<core::Array>(pixels_to_array(*record, field({1, 1, 4}, core::DType::i16)))) ==
              std::vector<std::int16_t>{-32768, 0, 7, 32767});
}

TEST_CASE("colours and frames come channels first") {
    const Image<std::uint8_t> colour({1, 2, 3, 11, 12, 13}, PixelType::u8, 1, 1, 2, 3);
    const auto out = std::get<core::Array>(pixels_to_array(colour.record, field({3, 1, 2}, core::DType::u8)));
    CHECK(out.bytes == core::Bytes{1, 11, 2, 12, 3, 13});
    const Image<std::uint8_t> film({1, 2, 3, 4, 11, 12, 13, 14}, PixelType::u8, 2, 1, 2, 2);
    const auto ragged = std::get<core::Array>(pixels_to_array(film.record, field({}, core::DType::u8)));
    CHECK(ragged.shape == std::vector<std::int64_t>{2, 2, 1, 2});
    CHECK(ragged.bytes == core::Bytes{1, 3, 11, 13, 2, 4, 12, 14});
}

namespace {

// A 12-bit phantom of Hounsfield-like values, delivered in several ways.
const std::vector<double> kPhantom = {-1000, -100, 0, 40, 300, 1000};

template <class T>
Image<T> delivered(PixelType type, double slope, double intercept, bool monochrome1) {
    std::vector<T> stored;
    for (const double real : kPhantom) {
        const double value = (real - intercept) / slope;
        stored.push_back(static_cast<T>(!monochrome1          ? value
                                        : std::is_signed_v<T> ? -1 - value
                                                              : 4095 - value));
    }
    Image<T> image(std::move(stored), type, 1, 2, 3, 1, 12);
    Frame frame;
    frame.slope = slope;
    frame.intercept = intercept;
    image.record.frames = {frame};
    image.record.units = Units::other;
    if (monochrome1) image.record.pixels.photometric = "MONOCHROME1";
    return image;
}

core::Bytes bytes_of(const std::variant<core::Array, Rejection>& result) {
    return std::get<core::Array>(result).bytes;
}

}  // namespace

TEST_CASE("one phantom gives one tensor, however it is delivered") {
    const auto dtype = GENERATE(core::DType::i16, core::DType::f32);
    const FieldChoice wanted = field({1, 2, 3}, dtype);
    const auto reference = delivered<std::int16_t>(PixelType::i16, 1, 0, false);
    const core::Bytes expected = bytes_of(pixels_to_array(reference.record, wanted));
    if (dtype == core::DType::i16)
        CHECK(values_of<std::int16_t>(core::Array{expected, {}}) ==
              std::vector<std::int16_t>{-1000, -100, 0, 40, 300, 1000});
    for (const bool monochrome1 : {false, true}) {
        CHECK(bytes_of(pixels_to_array(delivered<std::uint16_t>(PixelType::u16, 1, -1024, monochrome1).record,
                                       wanted)) == expected);
        CHECK(bytes_of(pixels_to_array(delivered<std::uint16_t>(PixelType::u16, 2, -1000, monochrome1).record,
                                       wanted)) == expected);
        CHECK(bytes_of(pixels_to_array(delivered<std::int16_t>(PixelType::i16, 1, 0, monochrome1).record,
                                       wanted)) == expected);
        CHECK(bytes_of(pixels_to_array(delivered<std::int16_t>(PixelType::i16, 4, 0, monochrome1).record,
                                       wanted)) == expected);
        const auto image = delivered<std::uint16_t>(PixelType::u16, 0.5, -1024, monochrome1);
        CHECK(is_inverted(image.record) == monochrome1);
    }
    const auto real = delivered<float>(PixelType::f32, 1, 0, false);
    if (dtype == core::DType::f32) CHECK(bytes_of(pixels_to_array(real.record, wanted)) == expected);
}

TEST_CASE("Hounsfield units do not depend on how they are shown") {
    auto image = delivered<std::uint16_t>(PixelType::u16, 1, -1024, false);
    image.record.units = Units::hounsfield;
    FieldChoice wanted = field({1, 2, 3}, core::DType::i16);
    wanted.field.units = kHounsfieldUnits;
    const core::Bytes expected = bytes_of(pixels_to_array(image.record, wanted));
    image.record.pixels.photometric = "MONOCHROME1";
    CHECK(bytes_of(pixels_to_array(image.record, wanted)) == expected);
    CHECK_FALSE(is_inverted(image.record));
    image.record.units = Units::other;
    CHECK(rejected(pixels_to_array(image.record, wanted)) == "units_differ");
}

TEST_CASE("a slope that is not whole needs a floating-point field") {
    Image<std::uint16_t> image({0, 10, 11}, PixelType::u16, 1, 1, 3, 1);
    Frame frame;
    frame.slope = 0.1;
    image.record.frames = {frame};
    CHECK(rejected(pixels_to_array(image.record, field({1, 1, 3}, core::DType::i16))) ==
          "value_does_not_fit");
    CHECK(values_of<float>(
              std::get<core::Array>(pixels_to_array(image.record, field({1, 1, 3}, core::DType::f32)))) ==
          std::vector<float>{0, 1, static_cast<float>(11 * 0.1)});
}

TEST_CASE("every frame has its own slope") {
    Image<std::uint16_t> image({1, 2, 1, 2}, PixelType::u16, 2, 1, 2, 1);
    Frame one, two;
    one.slope = 3, two.slope = 5, two.intercept = -1;
    image.record.frames = {one, two};
    CHECK(values_of<float>(std::get<core::Array>(
              pixels_to_array(image.record, field({}, core::DType::f32)))) == std::vector<float>{3, 6, 4, 9});
}

TEST_CASE("padding becomes the declared number, or the sample is left out") {
    Image<std::int16_t> image({-2000, 5, -1999, 7}, PixelType::i16, 1, 2, 2, 1);
    Frame frame;
    frame.slope = 1, frame.intercept = -1024;
    image.record.frames = {frame};
    image.record.padding = {-2000, -1999};
    FieldChoice wanted = field({1, 2, 2}, core::DType::i16);
    CHECK(rejected(pixels_to_array(image.record, wanted)) == "padding_undeclared");
    wanted.padding = -1500;
    CHECK(values_of<std::int16_t>(std::get<core::Array>(pixels_to_array(image.record, wanted))) ==
          std::vector<std::int16_t>{-1500, -1019, -1500, -1017});
    image.record.padding = {-3000, -3000};  // declared by the file and nowhere in it
    wanted.padding.reset();
    CHECK(rejected(pixels_to_array(image.record, wanted)) == "taken");
}

TEST_CASE("what cannot be a value is refused: no slope, infinity, a table beside a slope") {
    Image<std::uint16_t> image({1, 2}, PixelType::u16, 1, 1, 2, 1);
    Frame frame;
    frame.slope = 0;
    image.record.frames = {frame};
    CHECK(rejected(pixels_to_array(image.record, field({}, core::DType::f32))) == "bad_value");
    image.record.frames[0].slope = 1e300;
    CHECK(rejected(pixels_to_array(image.record, field({}, core::DType::f32))) == "value_does_not_fit");
    image.record.frames.clear();
    image.record.modality_table = ModalityTable{1, {10, 20}};
    CHECK(rejected(pixels_to_array(image.record, field({}, core::DType::f32))) == "taken");
    image.record.frames = {frame};
    image.record.frames[0].slope = 2;
    CHECK(rejected(pixels_to_array(image.record, field({}, core::DType::f32))) == "pixel_format_unsupported");
    FieldChoice stored = field({}, core::DType::u16);
    stored.stored = true;
    CHECK(rejected(pixels_to_array(image.record, stored)) == "taken");
}
