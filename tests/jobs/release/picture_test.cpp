#include "jobs/release/picture.h"

#include <png.h>
#include <catch2/catch.hpp>

#include <zlib.h>
#include <cstdlib>
#include <random>

#include "core/base/child.h"
#include "jobs/release/release_desk.h"

namespace {

std::string encode(std::uint32_t width, std::uint32_t height, const std::vector<std::uint8_t>& rgb) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.format = PNG_FORMAT_RGB;
    image.width = width;
    image.height = height;
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    std::string out(size, '\0');
    REQUIRE(png_image_write_to_memory(&image, out.data(), &size, 0, rgb.data(), 0, nullptr));
    out.resize(size);
    return out;
}

std::string big_endian(std::uint32_t value) {
    return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
            static_cast<char>(value)};
}

// With a chunk behind IHDR.
std::string with_chunk(std::string png, const std::string& type, const std::string& data) {
    const std::string body = type + data;
    const auto crc = static_cast<std::uint32_t>(
        ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size())));
    return png.insert(33, big_endian(static_cast<std::uint32_t>(data.size())) + body + big_endian(crc));
}

std::vector<std::string> chunks(const std::string& png) {
    std::vector<std::string> out;
    for (std::size_t at = 8; at + 8 <= png.size();) {
        out.push_back(png.substr(at + 4, 4));
        std::uint32_t size = 0;
        for (std::size_t i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(png[at + i]);
        at += size + 12;
    }
    return out;
}

const std::string kSecret = "Wang Hsiao-ming, carcinoma";

// A plot: a line on white, its pixels changed a little by `noise`.
std::vector<std::uint8_t> plot(std::uint8_t noise) {
    std::mt19937 random(1);
    std::vector<std::uint8_t> rgb(200 * 100 * 3, 255);
    for (std::size_t x = 0; x < 200; ++x)
        for (std::size_t c = 0; c < 3; ++c) rgb[((x / 2) * 200 + x) * 3 + c] = c == 2 ? 204 : 34;
    for (std::uint8_t& value : rgb)
        if (noise)
            value =
                static_cast<std::uint8_t>(value == 255 ? value - random() % noise : value + random() % noise);
    return rgb;
}

}  // namespace

TEST_CASE("a picture leaves with its pixels and nothing else") {
    const std::string plain = encode(200, 100, plot(0));
    const auto leaving = desk::prepare("x.png", plain, desk::context());
    REQUIRE_FALSE(leaving.refused());
    CHECK(desk::codes(leaving) == "flag:picture");
    CHECK(chunks(desk::text(leaving)) == std::vector<std::string>{"IHDR", "PLTE", "IDAT", "IEND"});
    CHECK(leaving.bits == 8 * leaving.canonical.size());
    std::string hidden[] = {
        plain + kSecret,
        with_chunk(plain, "tEXt", "Comment" + std::string(1, '\0') + kSecret),
        with_chunk(plain, "eXIf", "MM" + std::string("\0*", 2) + kSecret),
        with_chunk(plain, "prVt", kSecret),
        with_chunk(plain, "pHYs", big_endian(0x57616e67) + big_endian(0x48736961) + std::string(1, '\1')),
        with_chunk(plain, "tIME", std::string("\x07\xe8\x01\x02\x03\x04\x05", 7))};
    for (const std::string& bytes : hidden) {
        const auto drawn = desk::prepare("x.png", bytes, desk::context());
        REQUIRE_FALSE(drawn.refused());
        CHECK(drawn.canonical == leaving.canonical);
    }
    // Text in the low bits of the pixels, which nobody sees.
    for (const std::uint8_t noise : {2, 4, 8})
        CHECK(desk::prepare("x.png", encode(200, 100, plot(noise)), desk::context()).canonical ==
              leaving.canonical);
}

TEST_CASE("a picture that is none, too large, or as full as a photograph is refused") {
    for (const std::string& bytes : {std::string(), std::string("PNG"),
                                     encode(200, 100, plot(0)).substr(0, 150), std::string(5000, 'x')})
        CHECK(desk::codes(desk::prepare("x.png", bytes, desk::context())) == "picture flag:picture");
    std::mt19937 random(2);
    std::vector<std::uint8_t> noise(600 * 600 * 3);
    for (std::uint8_t& value : noise) value = static_cast<std::uint8_t>(random());
    CHECK(desk::codes(desk::prepare("x.png", encode(600, 600, noise), desk::context())) ==
          "size flag:picture");
    jobs::Context small = desk::context();
    small.rules.picture_pixels = 100;
    CHECK(desk::codes(desk::prepare("x.png", encode(200, 100, plot(0)), small)) == "picture flag:picture");
}

TEST_CASE("pictures are drawn in a process of its own as well, and its end harms nobody") {
    jobs::Context apart = desk::context();
    apart.picture_program = std::getenv("ALOFT_PICTURE");
    const std::string plain = encode(200, 100, plot(0));
    CHECK(desk::prepare("x.png", plain, apart).canonical ==
          desk::prepare("x.png", plain, desk::context()).canonical);
    CHECK(desk::codes(desk::prepare("x.png", "no picture", apart)) == "picture flag:picture");
    apart.picture_program = "/bin/false";
    CHECK(desk::codes(desk::prepare("x.png", plain, apart)) == "picture flag:picture");
}

TEST_CASE("what the gate drew comes out the same when it is drawn again, for a reviewer") {
    std::mt19937 random(3);
    std::vector<std::uint8_t> full(60 * 50 * 3);  // more colours than a palette has
    for (std::uint8_t& value : full) value = static_cast<std::uint8_t>(random());
    for (const std::string& bytes : {encode(200, 100, plot(0)), encode(60, 50, full)}) {
        const auto leaving = desk::prepare("x.png", bytes, desk::context());
        REQUIRE_FALSE(leaving.refused());
        const auto again = jobs::redraw_apart(leaving.canonical, INT64_MAX, std::getenv("ALOFT_PICTURE"));
        CHECK(again.png == leaving.canonical);
    }
}

TEST_CASE("no picture leaves that is too large to be handed to a reviewer, whatever the rules say") {
    jobs::Context generous = desk::context();
    generous.rules.picture_bytes = 1 << 30;
    generous.rules.picture_pixels = 4'000'000;
    std::mt19937 random(4);
    std::vector<std::uint8_t> noise(2000 * 1600 * 3);
    for (std::uint8_t& value : noise) value = static_cast<std::uint8_t>(random());
    CHECK(desk::codes(desk::prepare("x.png", encode(2000, 1600, noise), generous)) == "size flag:picture");
    CHECK_FALSE(desk::prepare("x.png", encode(200, 100, plot(0)), generous).refused());
}
