#include "staging/image/text.h"

#include <catch2/catch.hpp>
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
    CHECK(covers(find_text(record_of(one).pixels, 0), box));
}

TEST_CASE("bodies, noise, edges, a lone letter and a scale are no text") {
    CHECK(find_text(record_of(body(256, 256)).pixels, 0).empty());
    const auto clean = [](const std::function<int(int, int)>& value) {
        return find_text(record_of(picture(256, 256, value)).pixels, 0).empty();
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
    CHECK(find_text(record_of(side).pixels, 0).empty());
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
