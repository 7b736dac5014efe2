#include "staging/read/dicom/siemens.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <random>

using namespace staging;

namespace {

void put(core::Bytes& out, std::uint32_t word) {
    for (int i = 0; i < 4; ++i) out.push_back(static_cast<std::uint8_t>(word >> 8 * i));
}

// A CSA header of the second form with two attributes.
core::Bytes csa_header(const std::vector<std::string>& normal, bool second = true) {
    core::Bytes out;
    const std::string mark = "SV10";
    if (second) {
        out.insert(out.end(), mark.begin(), mark.end());
        put(out, 0x01020304);
    }
    put(out, 2);
    put(out, 77);
    const auto attribute = [&](std::string name, const std::vector<std::string>& items) {
        name.resize(64);
        out.insert(out.end(), name.begin(), name.end());
        for (const std::uint32_t word : {3u, 0x5346u, 4u, static_cast<std::uint32_t>(items.size()), 77u})
            put(out, word);
        for (std::string item : items) {
            const auto length = static_cast<std::uint32_t>(item.size());
            // The first attribute has one item.
            for (const std::uint32_t word : {second ? 0u : length + 1, length, 77u, 0u}) put(out, word);
            item.resize((item.size() + 3) / 4 * 4);
            out.insert(out.end(), item.begin(), item.end());
        }
    };
    attribute("EchoLinePosition", {"36"});
    attribute("SliceNormalVector", normal);
    return out;
}

struct Picture {
    Record record;
    std::vector<std::uint16_t> values;
    explicit Picture(std::uint32_t rows, std::uint32_t columns) : values(rows * columns) {
        Pixels& p = record.pixels;
        p.frames = 1, p.rows = rows, p.columns = columns, p.samples = 1;
        p.type = PixelType::u16;
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint16_t>(i);
        Frame frame;
        frame.position = {-10, -20, 5};
        frame.orientation = {1, 0, 0, 0, 1, 0};
        frame.spacing = {2, 3};
        frame.slice_spacing = 4;
        record.frames = {frame};
    }
    std::span<std::uint8_t> bytes() {
        return {reinterpret_cast<std::uint8_t*>(values.data()), values.size() * 2};
    }
};

}  // namespace

TEST_CASE("both forms of a CSA header give the slices' normal") {
    const bool second = GENERATE(true, false);
    const auto csa = csa_header({"0.00000000", "-0.6", "0.8"}, second);
    CHECK(csa_vector(csa, "SliceNormalVector") == std::array<double, 3>{0, -0.6, 0.8});
    CHECK_FALSE(csa_vector(csa, "EchoLinePosition"));  // one number, not three
    CHECK_FALSE(csa_vector(csa, "Absent"));
}

TEST_CASE(
    "a CSA header that ends anywhere, or lies about its lengths, gives nothing and reads nothing beyond") {
    const auto csa = csa_header({"0", "0", "1"});
    for (std::size_t length = 0; length < csa.size(); ++length) {
        const core::Bytes cut(csa.begin(), csa.begin() + static_cast<std::ptrdiff_t>(length));
        CHECK_FALSE(csa_vector(cut, "SliceNormalVector"));
    }
    std::mt19937 random(7);
    for (int i = 0; i < 20000; ++i) {
        core::Bytes hurt = csa;
        for (int n = 0; n < 4; ++n) hurt[random() % hurt.size()] = static_cast<std::uint8_t>(random());
        (void)csa_vector(hurt, "SliceNormalVector");
    }
    CHECK_FALSE(csa_vector(csa_header({"0", "nan", "1"}), "SliceNormalVector"));
    CHECK_FALSE(csa_vector(csa_header({"0", "0", "1", "0"}), "SliceNormalVector"));
}

TEST_CASE("only what Siemens' private creators vouch for makes a mosaic") {
    const auto csa = csa_header({"0", "0", "1"});
    SiemensHeader header{"SIEMENS MR HEADER", "SIEMENS CSA HEADER", std::uint16_t{5}, csa};
    const auto mosaic = find_mosaic(header, "ORIGINAL\\PRIMARY\\M\\ND\\MOSAIC");
    REQUIRE(mosaic);
    CHECK(mosaic->images == 5);
    CHECK(mosaic->normal == std::array<double, 3>{0, 0, 1});
    CHECK_FALSE(find_mosaic(header, "ORIGINAL\\PRIMARY\\M\\ND"));
    header.creator_0029 = "OTHER";
    CHECK_FALSE(find_mosaic(header, "MOSAIC")->normal);
    header.creator_0019 = "OTHER";
    CHECK_FALSE(find_mosaic(header, "MOSAIC"));
    header.creator_0019 = "SIEMENS MR HEADER";
    header.images = std::uint16_t{1};
    CHECK_FALSE(find_mosaic(header, "MOSAIC"));
}

TEST_CASE("a mosaic's tiles become its slices, where they lie in the patient") {
    // Three slices of 2 x 3 in a picture of 4 x 6: tile (0,1) is slice 1, tile (1,0) slice 2.
    Picture picture(4, 6);
    REQUIRE(cut_mosaic({3, std::array<double, 3>{0, 0, -1}}, picture.record, picture.bytes()));
    CHECK(picture.record.pixels.frames == 3);
    CHECK(picture.record.pixels.rows == 2);
    CHECK(picture.record.pixels.columns == 3);
    CHECK(std::vector<std::uint16_t>(picture.values.begin(), picture.values.begin() + 18) ==
          std::vector<std::uint16_t>{0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11, 12, 13, 14, 18, 19, 20});
    REQUIRE(picture.record.frames.size() == 3);
    // Half of what the picture is larger than a slice: 3 columns of 3 mm, 2 rows of 2 mm.
    CHECK(picture.record.frames[0].position == std::array<double, 3>{-10 + 4.5, -20 + 2, 5});
    CHECK(picture.record.frames[2].position == std::array<double, 3>{-10 + 4.5, -20 + 2, -3});
}

TEST_CASE("a mosaic whose direction is not told has slices without a place") {
    Picture picture(4, 6);
    REQUIRE(cut_mosaic({3, {}}, picture.record, {}));
    CHECK(picture.record.frames.size() == 3);
    CHECK_FALSE(picture.record.frames[1].position);
}

TEST_CASE("a picture that does not divide into tiles stays whole") {
    Picture picture(5, 6);
    CHECK_FALSE(cut_mosaic({3, {}}, picture.record, picture.bytes()));
    CHECK(picture.record.pixels.frames == 1);
    CHECK(picture.values[1] == 1);
}
