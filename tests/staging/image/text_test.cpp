#include "staging/image/text.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <string>

#include "staging/image/clean_text.h"

using namespace staging;

namespace {

// Glyphs of 5 x 7 dots, a row of dots a number; the last two are the characters for Wang and Zhang.
struct Glyph {
    int width;
    std::vector<int> rows;
};
const std::vector<Glyph> kGlyphs = {{5, {0x0E, 0x11, 0x10, 0x0E, 0x01, 0x11, 0x0E}},   // S
                                    {5, {0x11, 0x1B, 0x15, 0x15, 0x11, 0x11, 0x11}},   // M
                                    {5, {0x0E, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0E}},   // I
                                    {5, {0x1F, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04}},   // T
                                    {5, {0x11, 0x11, 0x11, 0x1F, 0x11, 0x11, 0x11}},   // H
                                    {5, {0x0E, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0E}}};  // 0
const std::vector<Glyph> kHan = {
    {11, {0x7FF, 0x020, 0x020, 0x020, 0x3FE, 0x020, 0x020, 0x020, 0x020, 0x7FF, 0x000}},
    {11, {0x7A0, 0x0BC, 0x0A0, 0x7BC, 0x420, 0x4FF, 0x7A8, 0x0A4, 0x0B2, 0x4A9, 0x320}},
    {11, {0x010, 0x7FE, 0x012, 0x3FE, 0x010, 0x7FF, 0x124, 0x3F8, 0x052, 0x18A, 0x606}}};

struct Picture {
    int rows, columns;
    std::vector<std::uint16_t> values;
    std::uint16_t& at(int y, int x) { return values[static_cast<std::size_t>(y * columns + x)]; }
};

Picture picture(int rows, int columns, const std::function<int(int, int)>& value) {
    Picture out{rows, columns, {}};
    for (int y = 0; y < rows; ++y)
        for (int x = 0; x < columns; ++x) out.values.push_back(static_cast<std::uint16_t>(value(y, x)));
    return out;
}

// The same noise each time, 0 to 2^bits - 1.
int noise(int y, int x, int bits) {
    std::uint64_t h = static_cast<std::uint64_t>(y) << 32 | static_cast<std::uint64_t>(x);
    h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9U + 0x9E3779B97F4A7C15U;
    h = (h ^ h >> 27) * 0x94D049BB133111EBU;
    h ^= h >> 31;
    return static_cast<int>(h >> (64 - bits));
}

// A body on a dark ground, with noise: 0 to 1400.
Picture body(int rows, int columns) {
    return picture(rows, columns, [&](int y, int x) {
        const double v = (y - rows / 2) / (rows * 0.25), u = (x - columns / 2) / (columns * 0.25);
        const double r = v * v + u * u;
        return (r < 1 ? 900 + static_cast<int>(300 * (1 - r)) : 0) + noise(y, x, r < 1 ? 6 : 3);
    });
}

Box draw(Picture& on, const std::vector<Glyph>& glyphs, int top, int left, int dot, int ink, bool downwards) {
    Box box{top, left, top, left};
    for (const Glyph& glyph : glyphs) {
        const int height = static_cast<int>(glyph.rows.size());
        for (int y = 0; y < height * dot; ++y)
            for (int x = 0; x < glyph.width * dot; ++x)
                if (glyph.rows[static_cast<std::size_t>(y / dot)] >> (glyph.width - 1 - x / dot) & 1)
                    on.at(top + y, left + x) = static_cast<std::uint16_t>(ink);
        box.bottom = std::max(box.bottom, top + height * dot);
        box.right = std::max(box.right, left + glyph.width * dot);
        (downwards ? top : left) += ((downwards ? height : glyph.width) + 2) * dot;
    }
    return box;
}

Record record_of(const Picture& picture, std::uint32_t frames = 1) {
    Record out;
    out.pixels.frames = frames;
    out.pixels.rows = static_cast<std::uint32_t>(picture.rows);
    out.pixels.columns = static_cast<std::uint32_t>(picture.columns);
    out.pixels.samples = 1;
    out.pixels.type = PixelType::u16;
    out.pixels.bytes = {reinterpret_cast<const std::uint8_t*>(picture.values.data()),
                        picture.values.size() * sizeof(std::uint16_t)};
    return out;
}

bool covers(const std::vector<Box>& found, const Box& box) {
    for (int y = box.top; y < box.bottom; ++y)
        for (int x = box.left; x < box.right; ++x)
            if (std::ranges::none_of(found, [&](const Box& one) {
                    return y >= one.top && y < one.bottom && x >= one.left && x < one.right;
                }))
                return false;
    return true;
}

std::string why(const std::variant<TextCleaned, Rejection>& out) {
    const auto* rejection = std::get_if<Rejection>(&out);
    return rejection ? std::string(reason_name(rejection->reason)) + ": " + rejection->detail : "";
}

}  // namespace

TEST_CASE("text is found lighter and darker than its ground, along and down, in each script and size") {
    const bool han = GENERATE(false, true), downwards = GENERATE(false, true),
               is_dark = GENERATE(false, true);
    const int dot = GENERATE(1, 2, 3);
    Picture one = picture(256, 256, [&](int y, int x) { return (is_dark ? 1000 : 20) + noise(y, x, 4); });
    const Box box = draw(one, han ? kHan : kGlyphs, 20, 30, dot, is_dark ? 40 : 700, downwards);
    CAPTURE(han, downwards, is_dark, dot);
    CHECK(covers(find_text(record_of(one).pixels, 0).boxes, box));
}

TEST_CASE("bodies, noise, edges, a lone letter and a scale are no text") {
    CHECK(find_text(record_of(body(256, 256)).pixels, 0).boxes.empty());
    const auto clean = [](const std::function<int(int, int)>& value) {
        return find_text(record_of(picture(256, 256, value)).pixels, 0).boxes.empty();
    };
    CHECK(clean([](int, int) { return 0; }));
    CHECK(clean([](int y, int x) { return noise(y, x, 12); }));
    CHECK(clean([](int y, int x) { return y + x; }));
    CHECK(clean([](int y, int) { return y < 100 ? 0 : 4000; }));
    CHECK(clean([](int y, int x) { return y / 32 % 2 == x / 32 % 2 ? 0 : 255; }));
    // A scale: ticks along the right edge.
    CHECK(clean([](int y, int x) { return x > 240 && y % 16 == 0 ? 255 : 0; }));
    Picture side = body(256, 256);
    draw(side, {kGlyphs[4]}, 20, 20, 3, 1500, false);
    CHECK(find_text(record_of(side).pixels, 0).boxes.empty());
}

TEST_CASE("the smallest images are looked at, too") {
    for (int rows = 1; rows <= 9; ++rows)
        for (int columns = 1; columns <= 9; ++columns) {
            const Picture small = picture(rows, columns, [](int y, int x) { return 100 * (y + x); });
            CAPTURE(rows, columns);
            CHECK(why(clean_text(record_of(small), TextPolicy::blank)).empty());
        }
}

TEST_CASE("text on the background is blanked and nothing else changes, the same in each frame") {
    Picture one = body(256, 256);
    const Picture before = one;
    const Box box = draw(one, kGlyphs, 12, 12, 2, 1300, false);
    const std::size_t frame = one.values.size();
    one.values.insert(one.values.end(), before.values.begin(), before.values.end());
    one.values.insert(one.values.end(), one.values.begin(),
                      one.values.begin() + static_cast<std::ptrdiff_t>(frame));
    const Record record = record_of(one, 3);
    const auto out = clean_text(record, TextPolicy::blank);
    REQUIRE(why(out).empty());
    const TextCleaned& cleaned = std::get<TextCleaned>(out);
    CHECK(cleaned.frames == 2);
    CHECK(cleaned.boxes == 2);
    REQUIRE(cleaned.bytes.size() == record.pixels.bytes.size());
    const auto* now = reinterpret_cast<const std::uint16_t*>(cleaned.bytes.data());
    int inside = 0, outside = 0, differs = 0;
    for (std::size_t i = 0; i < 3 * frame; ++i) {
        const int y = static_cast<int>(i % frame) / 256, x = static_cast<int>(i % frame) % 256;
        const bool has_text = i / frame != 1 && y >= box.top - 3 && y < box.bottom + 3;
        inside += has_text && x >= box.left - 3 && x < box.right + 3 && now[i] > 8;
        // Along the line, room for one more glyph is blanked, too.
        outside += !(has_text && x < box.right + 24) && now[i] != one.values[i];
        differs += now[i] != now[i % frame] && i / frame == 2;
    }
    CHECK(inside == 0);
    CHECK(outside == 0);
    CHECK(differs == 0);
    // What is clean is not copied.
    CHECK(std::get<TextCleaned>(clean_text(record_of(before), TextPolicy::blank)).bytes.empty());
}

TEST_CASE("text over the anatomy, or where the profile wants none, is quarantined") {
    Picture one = body(256, 256);
    draw(one, kGlyphs, 120, 110, 1, 3000, false);
    CHECK(why(clean_text(record_of(one), TextPolicy::blank)) == "risk_burned_in_text: over the anatomy");
    Picture other = body(256, 256);
    draw(other, kHan, 12, 12, 2, 1300, true);
    CHECK(why(clean_text(record_of(other), TextPolicy::quarantine)) == "risk_burned_in_text: pixels");
    CHECK(why(clean_text(record_of(other), TextPolicy::blank)).empty());
    CHECK(std::get<TextCleaned>(clean_text(record_of(other), TextPolicy::allow)).bytes.empty());
}

TEST_CASE("what only looks like text is never blanked") {
    const auto changed = [](const Record& record) {
        const auto out = clean_text(record, TextPolicy::blank);
        const auto* cleaned = std::get_if<TextCleaned>(&out);
        return cleaned && cleaned->frames > 0;
    };
    const auto in_disc = [](int y, int x, int top, int left, int radius) {
        return (y - top) * (y - top) + (x - left) * (x - left) < radius * radius;
    };
    // Fingers across a slice, vials, spots that saturate.
    const int radius = GENERATE(4, 5, 6, 7, 8, 10);
    CAPTURE(radius);
    const auto fingers = [&](int count) {
        return picture(256, 256, [&, count](int y, int x) {
            int value = noise(y, x, 4);
            for (int i = 0; i < count; ++i)
                if (in_disc(y, x, 60 + i % 2, 60 + 26 * i, radius)) value = 1050;
            return (y - 170) * (y - 170) + (x - 128) * (x - 128) < 4000 ? 1040 + noise(y, x, 4) : value;
        });
    };
    CHECK_FALSE(changed(record_of(fingers(4))));
    CHECK_FALSE(changed(record_of(fingers(6))));
    if (radius > 4) CHECK(why(clean_text(record_of(fingers(4)), TextPolicy::blank)).empty());
    CHECK_FALSE(changed(record_of(picture(256, 256, [&](int y, int x) {
        return y > 20 && y < 220 && x > 20 && x < 220 && in_disc(y % 40, x % 40, 20, 20, radius)
                   ? 4095
                   : noise(y, x, 5);
    }))));
    // A brain: its furrows are as dark as the air around it, and alike.
    Picture brain = picture(
        256, 256, [&](int y, int x) { return in_disc(y, x, 128, 128, 100) ? 1000 + noise(y, x, 4) : 0; });
    for (int top = 30; top < 214; top += 18)
        for (int left = 30; left < 218; left += 14 + radius % 2)
            draw(brain, {kGlyphs[static_cast<std::size_t>(left + top) % 6]}, top, left, 2, 0, false);
    CHECK(why(clean_text(record_of(brain), TextPolicy::blank)) == "risk_burned_in_text: over the anatomy");
    // A film with tissue up to its edges, as even as a background is.
    Picture film = picture(256, 256, [&](int y, int x) {
        return in_disc(y, x, 128, 128, 60) ? noise(y, x, 4) : 2000 + noise(y, x, 4);
    });
    draw(film, kGlyphs, 12, 12, 2, 0, false);
    CHECK(why(clean_text(record_of(film), TextPolicy::blank)) == "risk_burned_in_text: over the anatomy");
    Record turned = record_of(film);
    turned.pixels.photometric = "MONOCHROME1";
    CHECK(changed(turned));
}

TEST_CASE("padding around a round field of view is no stroke, and hides none") {
    const int radius = GENERATE(250, 255), padding = GENERATE(-1500, -2000, -32768);
    const bool is_declared = GENERATE(false, true), has_name = GENERATE(false, true);
    CAPTURE(radius, padding, is_declared, has_name);
    Picture one = picture(512, 512, [&](int y, int x) {
        const int r = (y - 256) * (y - 256) + (x - 256) * (x - 256);
        return r > radius * radius ? padding : (r < 150 * 150 ? 40 : -1000) + noise(y, x, 4);
    });
    if (has_name) draw(one, kGlyphs, 60, 200, 2, 3071, false);
    Record record = record_of(one);
    record.pixels.type = PixelType::i16;
    if (is_declared) record.padding = {{double(padding), double(padding)}};
    CHECK(find_text(record.pixels, 0, record.padding).boxes.empty() == !has_name);
    // Where nothing says that it is padding, air is no background.
    const auto out = clean_text(record, TextPolicy::blank);
    if (is_declared || !has_name) CHECK(why(out).empty());
    if (has_name) CHECK((!why(out).empty() || std::get<TextCleaned>(out).frames == 1));
}

TEST_CASE("text is found in every type of pixel, whatever a few pixels are") {
    Picture name = picture(256, 256, [](int y, int x) { return 20 + noise(y, x, 3); });
    const Box box = draw(name, kGlyphs, 20, 30, 2, 700, false);
    const auto found = [&](auto last, PixelType type, const std::function<double(int)>& value) {
        std::vector<decltype(last)> values;
        for (const std::uint16_t one : name.values) values.push_back(static_cast<decltype(last)>(value(one)));
        values[200 * 256 + 200] = last;
        values[200 * 256 + 201] = static_cast<decltype(last)>(-last);
        Pixels pixels = record_of(name).pixels;
        pixels.type = type;
        pixels.bytes = {reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof last};
        return covers(find_text(pixels, 0).boxes, box);
    };
    const auto same = [](int value) { return value; };
    CHECK(found(std::int8_t{0}, PixelType::i8, [](int value) { return value > 600 ? 100 : value - 128; }));
    CHECK(found(std::int16_t{0}, PixelType::i16, [](int value) { return value - 1000; }));
    CHECK(found(std::uint32_t{0}, PixelType::u32, [](int value) { return value * 5000000.0; }));
    CHECK(found(std::int32_t{1} << 30, PixelType::i32, same));
    CHECK(found(1e9F, PixelType::f32, same));
    CHECK(found(1e308, PixelType::f64, same));
    CHECK(found(1.7e308, PixelType::f64, [](int value) { return value * 2e305; }));
    CHECK(found(std::nan(""), PixelType::f64, same));
    const auto nan_ink = [](int value) { return value > 600 ? std::nan("") : 0; };
    CHECK(found(0.0, PixelType::f64, nan_ink));
    CHECK(found(0.0F, PixelType::f32, nan_ink));
    CHECK(found(1e9F, PixelType::f32, [](int value) { return value > 600 ? 1 : 0; }));
}

TEST_CASE("what stands apart in the ink of a name goes with it, and marks of another ink stay") {
    Picture one = body(256, 256);
    draw(one, kGlyphs, 12, 12, 1, 1300, false);
    const Box age = draw(one, {kGlyphs[5]}, 12, 160, 1, 1300, false);
    const Record record = record_of(one);
    const auto out = clean_text(record, TextPolicy::blank);
    REQUIRE(why(out).empty());
    const auto* now = reinterpret_cast<const std::uint16_t*>(std::get<TextCleaned>(out).bytes.data());
    int left = 0;
    for (int y = age.top; y < age.bottom; ++y)
        for (int x = age.left; x < age.right; ++x) left += now[y * 256 + x] == 1300;
    CHECK(left == 0);
    CHECK(std::get<TextCleaned>(out).sha256 == core::sha256(std::get<TextCleaned>(out).bytes));
}

TEST_CASE("colours are blanked in all channels, pages are left out, a stop is heard") {
    Picture name = body(256, 256);
    draw(name, kGlyphs, 12, 12, 2, 1300, false);
    std::vector<std::uint8_t> colours;
    for (const std::uint16_t value : name.values)
        for (const int part : {20, 6, 40}) colours.push_back(static_cast<std::uint8_t>(value / part));
    Record record = record_of(name);
    record.pixels.samples = 3;
    record.pixels.type = PixelType::u8;
    record.pixels.photometric = "RGB";
    record.pixels.bytes = colours;
    const auto out = clean_text(record, TextPolicy::blank);
    REQUIRE(why(out).empty());
    const core::Bytes& now = std::get<TextCleaned>(out).bytes;
    REQUIRE(now.size() == colours.size());
    const int at = 3 * (12 * 256 + 12 + 16);  // of the second glyph
    for (int channel = 0; channel < 3; ++channel) CHECK(now[static_cast<std::size_t>(at + channel)] <= 2);

    Picture page = picture(512, 512, [](int y, int x) { return noise(y, x, 3); });
    for (int y = 10; y < 490; y += 20)
        for (int x = 10; x < 400; x += 100) draw(page, kGlyphs, y, x, 2, 1300, false);
    CHECK(why(clean_text(record_of(page), TextPolicy::blank)) == "risk_burned_in_text: a page of it");
    // Nothing but crosses: more than can be looked at.
    const Picture crosses = picture(3600, 3600, [](int y, int x) {
        return ((y & 3) == 1 && (x & 3) != 3) || ((x & 3) == 1 && (y & 3) != 3) ? 255 : 0;
    });
    CHECK(why(clean_text(record_of(crosses), TextPolicy::blank)) ==
          "risk_burned_in_text: more strokes than an image has");
    const auto stopped = clean_text(record_of(name), TextPolicy::blank, [] { return true; });
    CHECK(std::get<TextCleaned>(stopped).stopped);
}
