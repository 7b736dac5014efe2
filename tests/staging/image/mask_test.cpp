#include "staging/image/mask.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <limits>

#include "staging/read/format.h"

using namespace staging;

namespace {

Masks masks_of(const std::vector<int>& values) {
    Masks out;
    out.files.emplace("{scan}_mask.nii");
    for (const int value : values) out.values[static_cast<std::size_t>(value)] = true;
    out.field.field = {"mask", core::DType::u8, {}, ""};
    out.field.padding = 0;
    return out;
}

constexpr std::uint32_t kSlices = 3, kRows = 2, kColumns = 4;

// A mask of three slices along z, `step` mm apart, whose voxels are their places modulo `kinds`.
struct MaskFile {
    explicit MaskFile(double step = 3, int kinds = 3) {
        for (std::uint32_t i = 0; i < kSlices * kRows * kColumns; ++i)
            bytes.push_back(static_cast<std::uint8_t>(i % static_cast<std::uint32_t>(kinds)));
        record.pixels = {kSlices, kRows, kColumns, 1, PixelType::u8, 8, 8, "MONOCHROME2", bytes, {}};
        for (std::uint32_t k = 0; k < kSlices; ++k) {
            Frame frame;
            frame.position = {-10, -20, 5 + k * step};
            frame.orientation = {1, 0, 0, 0, 1, 0};
            frame.spacing = {0.5, 0.75};
            frame.instance = k + 1;
            record.frames.push_back(frame);
        }
    }
    MaskFile(const MaskFile&) = delete;
    std::vector<std::uint8_t> bytes;
    Record record;
};

std::string refused(const Record& record, const Masks& masks) {
    const auto made = mask_of(record, masks);
    const auto* rejection = std::get_if<Rejection>(&made);
    return rejection ? std::string(reason_name(rejection->reason)) + " " + rejection->detail : "taken";
}

}  // namespace

TEST_CASE("a mask's slices stand in the order of a volume's, whatever the file's") {
    const MaskFile up(3), down(-3);
    const Masks masks = masks_of({0, 1, 2});
    const auto straight = mask_of(up.record, masks), turned = mask_of(down.record, masks);
    const Mask &a = std::get<Mask>(straight), &b = std::get<Mask>(turned);
    CHECK(a.array.shape == std::vector<std::int64_t>{1, kSlices, kRows, kColumns});
    CHECK(a.array.bytes == up.bytes);
    const std::size_t plane = kRows * kColumns;
    for (std::size_t k = 0; k < kSlices; ++k)
        CHECK(std::memcmp(b.array.bytes.data() + k * plane, down.bytes.data() + (kSlices - 1 - k) * plane,
                          plane) == 0);
    CHECK(a.grid.size == std::array<std::int64_t, 3>{kSlices, kRows, kColumns});
    CHECK(a.grid.affine[11] == 5);
    CHECK(b.grid.affine[11] == -1);
}

TEST_CASE("a mask has the numbers that are listed, whole, and makes one volume") {
    MaskFile file;
    CHECK(refused(file.record, masks_of({0, 1, 2})) == "taken");
    CHECK(refused(file.record, masks_of({0, 1, 2, 255})) == "taken");
    CHECK(refused(file.record, masks_of({0, 1})) == "bad_mask values");
    for (Frame& frame : file.record.frames) frame.slope = 0.5;
    CHECK(refused(file.record, masks_of({0, 1, 2})) == "bad_mask values");
    for (Frame& frame : file.record.frames) frame.slope = 2;
    CHECK(refused(file.record, masks_of({0, 2, 4})) == "taken");
    for (Frame& frame : file.record.frames) frame.slope.reset();

    // As floats, which many tools write masks in.
    std::vector<float> real(file.bytes.begin(), file.bytes.end());
    file.record.pixels.type = PixelType::f32;
    file.record.pixels.bytes = {reinterpret_cast<const std::uint8_t*>(real.data()),
                                real.size() * sizeof(float)};
    const auto made = mask_of(file.record, masks_of({0, 1, 2}));
    REQUIRE(std::holds_alternative<Mask>(made));
    CHECK(std::get<Mask>(made).array.bytes == file.bytes);
    for (const float bad : {1.5F, -1.0F, 3.0F, 256.0F, std::numeric_limits<float>::quiet_NaN()}) {
        real[5] = bad;
        CHECK(refused(file.record, masks_of({0, 1, 2})) == "bad_mask values");
    }
    file.record.pixels.type = PixelType::u8;
    file.record.pixels.bytes = file.bytes;

    file.record.frames[2].position = file.record.frames[0].position;  // two at one place
    CHECK(refused(file.record, masks_of({0, 1, 2})) == "bad_mask frames");
    file.record.frames[2].position = {-10, -20, 17};  // a gap
    CHECK(refused(file.record, masks_of({0, 1, 2})) == "bad_mask frames");
    file.record.frames[2].position.reset();
    CHECK(refused(file.record, masks_of({0, 1, 2})) == "bad_mask frames");
    file.record.frames.resize(1);
    CHECK(refused(file.record, masks_of({0, 1, 2})) == "bad_mask frames");
}

TEST_CASE("of a file that shows a part all that is not 0 is the part's number, and other values are none") {
    MaskFile file;
    const auto made = mask_of(file.record, masks_of({0, 1, 2}), 9);
    const Mask& mask = std::get<Mask>(made);
    for (std::size_t i = 0; i < file.bytes.size(); ++i) CHECK(mask.array.bytes[i] == (file.bytes[i] ? 9 : 0));
    CHECK(refused(file.record, masks_of({0, 1})) == "bad_mask values");
}

TEST_CASE("a single image's mask needs no place, and has the image's form") {
    MaskFile file;
    file.record.frames.clear();
    Masks masks = masks_of({0, 1, 2});
    CHECK(refused(file.record, masks) == "bad_mask frames");
    masks.is_flat = true;
    const auto several = mask_of(file.record, masks);
    CHECK(std::get<Mask>(several).array.shape == std::vector<std::int64_t>{1, kSlices, kRows, kColumns});
    CHECK(std::get<Mask>(several).array.bytes == file.bytes);
    CHECK(fitted_bytes(masks, std::get<Mask>(several).grid, {}) == file.bytes.size());
    file.record.pixels.frames = 1;
    file.record.pixels.bytes = core::ByteView(file.bytes).first(kRows * kColumns);
    const auto one = mask_of(file.record, masks);
    CHECK(std::get<Mask>(one).array.shape == std::vector<std::int64_t>{1, kRows, kColumns});
    CHECK(std::get<Mask>(one).grid.size == std::array<std::int64_t, 3>{1, kRows, kColumns});
    CHECK(fitted_bytes(masks, std::get<Mask>(one).grid, {}) == std::uint64_t{kRows} * kColumns);
    file.record.pixels.samples = 3;
    file.record.pixels.columns = 1;
    CHECK(refused(file.record, masks) == "bad_mask frames");
}

TEST_CASE("a file of NIfTI lies on a single image as its axes are declared") {
    MaskFile file(3, 8);  // of each plane, j = 0: 0 1 2 3, j = 1: 4 5 6 7
    Masks masks = masks_of({0, 1, 2, 3, 4, 5, 6, 7});
    masks.is_flat = true;
    file.record.pixels.frames = 1;
    file.record.frames.resize(1);
    file.record.pixels.bytes = core::ByteView(file.bytes).first(kRows * kColumns);
    const auto laid = [&](bool rows_first, bool rows_turned, bool columns_turned) {
        masks.axes = {rows_first, rows_turned, columns_turned};
        auto made = mask_of(file.record, masks);
        Mask mask = std::get<Mask>(std::move(made));
        const std::int64_t rows = rows_first ? kColumns : kRows, columns = rows_first ? kRows : kColumns;
        CHECK(mask.array.shape == std::vector<std::int64_t>{1, rows, columns});
        CHECK(mask.grid.size == std::array<std::int64_t, 3>{1, rows, columns});
        return mask.array.bytes;
    };
    CHECK(laid(false, false, false) == core::Bytes{0, 1, 2, 3, 4, 5, 6, 7});
    CHECK(laid(false, true, false) == core::Bytes{4, 5, 6, 7, 0, 1, 2, 3});
    CHECK(laid(false, false, true) == core::Bytes{3, 2, 1, 0, 7, 6, 5, 4});
    CHECK(laid(false, true, true) == core::Bytes{7, 6, 5, 4, 3, 2, 1, 0});
    CHECK(laid(true, false, false) == core::Bytes{0, 4, 1, 5, 2, 6, 3, 7});
    CHECK(laid(true, true, false) == core::Bytes{3, 7, 2, 6, 1, 5, 0, 4});
    CHECK(laid(true, false, true) == core::Bytes{4, 0, 5, 1, 6, 2, 7, 3});
    CHECK(laid(true, true, true) == core::Bytes{7, 3, 6, 2, 5, 1, 4, 0});
}

TEST_CASE("two grids are one if no voxel is further apart than a thousandth of a millimetre") {
    const Grid grid{{0.5, 0, 0, -10, 0, 0.5, 0, -20, 0, 0, 2, 5}, {100, 512, 512}};
    CHECK(is_same_grid(grid, grid));
    const auto moved = [&](std::size_t at, double by) {
        Grid other = grid;
        other.affine[at] += by;
        return is_same_grid(grid, other) && is_same_grid(other, grid);
    };
    for (const std::size_t origin : {3, 7, 11}) {
        CHECK(moved(origin, 0.0009));
        CHECK_FALSE(moved(origin, 0.0011));
    }
    CHECK(moved(0, 1.9e-6));  // at the far end of 511 columns
    CHECK_FALSE(moved(0, 2.1e-6));
    CHECK(moved(10, 9e-6));  // of 99 slices
    CHECK_FALSE(moved(10, 1.1e-5));
    CHECK_FALSE(moved(3, std::numeric_limits<double>::quiet_NaN()));
    for (std::size_t axis = 0; axis < 3; ++axis) {
        Grid other = grid;
        --other.size[axis];
        CHECK_FALSE(is_same_grid(grid, other));
    }
}

TEST_CASE("a segmentation lies on the slices of its image also where their gaps differ a little") {
    Grid image{{0.75, 0, 0, -10, 0, 0.5, 0, -20, 0, 0, 0, 5}, {61, kRows, kColumns}};
    std::vector<std::array<double, 3>> slices{{-10, -20, 5}};
    for (int i = 1; i <= 60; ++i) slices.push_back({-10, -20, slices.back()[2] + (i <= 30 ? 2.0 : 2.1)});
    image.affine[10] = (slices.back()[2] - 5) / 60;  // the mean
    Grid mask = image;
    const auto all = places_on(image, slices, mask, slices);
    REQUIRE(all);
    for (std::uint32_t i = 0; i <= 60; ++i) CHECK((*all)[i] == i);
    const std::vector<std::array<double, 3>> some{slices[3], slices[31], slices[59]};
    CHECK(places_on(image, slices, mask, some) == std::vector<std::uint32_t>{3, 31, 59});
    // Where its own header has no slice but the mean grid does.
    const std::vector<std::array<double, 3>> by_grid{{-10, -20, 5 + 20 * image.affine[10]}};
    CHECK(places_on(image, slices, mask, by_grid) == std::vector<std::uint32_t>{20});
    const std::vector<std::array<double, 3>> between{{-10, -20, slices[31][2] + 0.01}},
        twice{slices[3], slices[3]};
    CHECK_FALSE(places_on(image, slices, mask, between));
    CHECK_FALSE(places_on(image, slices, mask, twice));
    CHECK_FALSE(places_on(image, slices, mask, std::vector<std::array<double, 3>>{{-10, -20, 3}}));
}

TEST_CASE("a segmentation without its pixels, or without what they mean, is none") {
    MaskFile file(3, 2);
    Record& record = file.record;
    Masks masks = masks_of({});
    masks.files.reset();
    masks.segments = {{"SCT:1", 5}};
    masks.is_flat = GENERATE(false, true);
    if (masks.is_flat) record.pixels.frames = 1, record.frames.resize(1);
    const core::ByteView pixels = core::ByteView(file.bytes).first(record.pixels.byte_count());
    record.segmentation.emplace();
    record.segmentation->segments = {{1, "SCT:1"}};
    record.segmentation->shown.assign(record.pixels.frames, 1);
    const auto refused = [&](core::ByteView bytes) {
        record.pixels.bytes = bytes;
        const auto made = segments_of(record, masks);
        const auto* rejection = std::get_if<Rejection>(&made);
        return rejection ? std::string(reason_name(rejection->reason)) + " " + rejection->detail : "taken";
    };
    CHECK(refused(pixels) == "taken");
    CHECK(refused({}) == "bad_mask frames");
    CHECK(refused(pixels.first(pixels.size() - 1)) == "bad_mask frames");
    record.segmentation.reset();
    CHECK(refused(pixels) == "bad_mask frames");
}

TEST_CASE("numbers of colours are a mask's where its palette shows nothing else") {
    MaskFile file;  // 0, 1, 2
    const auto with = [&](std::initializer_list<std::array<int, 4>> colours, const std::vector<int>& values,
                          std::uint8_t part = 0) {
        file.record.pixels.palette.clear();
        for (const auto& colour : colours)
            for (const int one : colour) file.record.pixels.palette += static_cast<char>(one);
        const auto made = mask_of(file.record, masks_of(values), part);
        const auto* rejection = std::get_if<Rejection>(&made);
        return rejection ? std::string(reason_name(rejection->reason)) + " " + rejection->detail : "taken";
    };
    const std::array<int, 4> black{0, 0, 0, 255}, white{255, 255, 255, 255}, red{128, 0, 0, 255},
        one{1, 1, 1, 255}, two{2, 2, 2, 255}, dark{1, 0, 0, 255}, unseen{255, 255, 255, 0},
        faint{255, 255, 255, 1};
    CHECK(with({black, red, white}, {0, 1, 2}) == "taken");
    CHECK(with({unseen, red, white}, {0, 1, 2}) == "taken");
    for (const auto& first : {white, red, dark, faint})
        CHECK(with({first, black, red}, {0, 1, 2}) == "bad_mask palette");
    CHECK(with({black, one, two}, {0, 1, 2}) == "taken");
    CHECK(with({black, two, one}, {0, 1, 2}) == "bad_mask palette");
    CHECK(with({black, white, one}, {0, 1, 2}) == "taken");  // 255 is not listed: it is not what is meant
    CHECK(with({black, white, one}, {0, 1, 2, 255}) == "bad_mask palette");
    CHECK(with({black, white, one}, {0, 1, 2, 255}, 7) == "taken");  // all that is not 0
    CHECK(with({black, black, one}, {0, 1, 2}, 7) == "bad_mask palette");
    CHECK(with({black, red}, {0, 1, 2}) == "taken");             // colours are none of the greys
    CHECK(with({black, one}, {0, 1, 2}) == "bad_mask palette");  // no colour has the number 2
}

TEST_CASE("the sizes of a picture and its mask tell which of both was turned, or cannot") {
    const auto lying = [](SeenSize image, SeenSize mask) { return lying_of(image, mask); };
    const SeenSize wide{{1, 5, 8}, 1}, high{{1, 8, 5}, 1}, square{{1, 6, 6}, 1};
    const auto turned = [](SeenSize of, std::uint32_t by) {
        of.turned = by;
        return of;
    };
    CHECK(lying(wide, wide) == Lying::as_seen);
    CHECK(lying(wide, high) == Lying::nowhere);
    for (const std::uint32_t by : {2, 3, 4}) {
        CHECK(lying(turned(wide, by), turned(wide, by)) == Lying::as_seen);
        CHECK(lying(turned(wide, by), wide) == Lying::unknown);
        CHECK(lying(wide, turned(wide, by)) == Lying::unknown);
        CHECK(lying(turned(wide, by), high) == Lying::nowhere);
    }
    for (const std::uint32_t by : {5, 6, 7, 8}) {
        CHECK(lying(turned(high, by), turned(high, by)) == Lying::as_seen);
        CHECK(lying(turned(high, by), high) == Lying::as_seen);
        CHECK(lying(turned(high, by), wide) == Lying::as_stored);
        CHECK(lying(turned(square, by), square) == Lying::unknown);
        CHECK(lying(high, turned(high, by)) == Lying::as_seen);
        CHECK(lying(wide, turned(high, by)) == Lying::nowhere);  // what only the mask says is not undone
    }
    CHECK(lying(turned(high, 6), {{2, 5, 8}, 1}) == Lying::nowhere);

    // What is declared must be possible.
    for (const std::uint32_t by : {2, 3, 4, 6}) {
        CHECK(lying_of(turned(square, by), square, DrawnOn::stored) == Lying::as_stored);
        CHECK(lying_of(turned(square, by), square, DrawnOn::upright) == Lying::as_seen);
    }
    CHECK(lying_of(turned(high, 6), wide, DrawnOn::stored) == Lying::as_stored);
    CHECK(lying_of(turned(high, 6), wide, DrawnOn::upright) == Lying::nowhere);
    CHECK(lying_of(turned(high, 6), high, DrawnOn::stored) == Lying::nowhere);
    CHECK(lying_of(turned(high, 6), high, DrawnOn::upright) == Lying::as_seen);
    CHECK(lying_of(turned(high, 6), turned(high, 6), DrawnOn::stored) == Lying::as_seen);  // both say so
    CHECK(lying_of(wide, wide, DrawnOn::stored) == Lying::as_seen);
}
