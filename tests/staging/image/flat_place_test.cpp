#include "staging/image/flat_place.h"

#include <catch2/catch.hpp>
#include <cmath>

using namespace staging;

namespace {

constexpr std::int64_t kRows = 2001, kColumns = 1001;

FlatPlace place() {
    FlatPlace out;
    out.position = {-10, -20, 5};
    out.orientation = {1, 0, 0, 0, 1, 0};
    out.spacing = {0.5, 0.25};
    return out;
}

std::string_view otherwise(const FlatPlace& image, const FlatPlace& mask) {
    return lies_otherwise(image, mask, kRows, kColumns);
}

}  // namespace

TEST_CASE(
    "a mask of a single image lies where that lies, to a thousandth of a millimetre at its far corners") {
    CHECK(otherwise(place(), place()).empty());
    FlatPlace mask = place();
    mask.spacing[0] += 0.9e-3 / 2000;
    CHECK(otherwise(place(), mask).empty());
    mask.spacing[0] += 0.2e-3 / 2000;
    CHECK(otherwise(place(), mask) == "PixelSpacing");
    mask = place();
    mask.spacing[1] -= 1.1e-3 / 1000;
    CHECK(otherwise(place(), mask) == "PixelSpacing");
    // Along a column the far corner is 1000 mm away, along a row 250.
    mask = place();
    mask.orientation[3] = 0.9e-6;
    CHECK(otherwise(place(), mask).empty());
    mask.orientation[3] = 1.1e-6;
    CHECK(otherwise(place(), mask) == "ImageOrientationPatient");
    mask = place();
    mask.orientation[2] = 3.9e-6;
    CHECK(otherwise(place(), mask).empty());
    mask.orientation[2] = 4.1e-6;
    CHECK(otherwise(place(), mask) == "ImageOrientationPatient");
    mask = place();
    mask.position[2] += 0.9e-3;
    CHECK(otherwise(place(), mask).empty());
    mask.position[2] += 0.2e-3;
    CHECK(otherwise(place(), mask) == "ImagePositionPatient");
}

TEST_CASE("what one of both does not say is not compared") {
    CHECK(otherwise(place(), {}).empty());
    CHECK(otherwise({}, place()).empty());
    FlatPlace image, mask = place();
    image.position = {0, 0, 0};
    CHECK(otherwise(image, mask) == "ImagePositionPatient");
    image = {};
    image.imager_spacing = {0.6, 0.3};
    CHECK(otherwise(image, mask) == "PixelSpacing");
    image.spacing = {0.5, 0.25};
    CHECK(otherwise(image, mask).empty());
    mask.spacing = {0.6, 0.3};
    CHECK(otherwise(image, mask).empty());
}

TEST_CASE("where a file lies is what all its frames say that say it") {
    Record record;
    record.pixels.rows = 5, record.pixels.columns = 6, record.pixels.frames = 2;
    record.frames.resize(2);
    record.frames[0].orientation = {0, 0, 0, 0, 0, 0};  // none
    record.frames[0].spacing = {0, 0.5};                // none
    record.frames[1].position = {1, 2, 3};
    record.frames[1].orientation = {1, 0, 0, 0, 1, 0};
    record.imager_spacing = {0.1, 0.2};
    const FlatPlace found = flat_place(record);
    CHECK(found.position == std::array<double, 3>{1, 2, 3});
    CHECK(found.orientation == std::array<double, 6>{1, 0, 0, 0, 1, 0});
    CHECK(found.imager_spacing == std::array<double, 2>{0.1, 0.2});
    CHECK(std::isnan(found.spacing[0]));
    CHECK(found.steps() == std::array<double, 3>{});
    CHECK(place().steps() == std::array<double, 3>{1, 0.5, 0.25});
    CHECK(lies_at_one_place(record));
    record.frames[0].position = {1, 2, 3.1};
    CHECK_FALSE(lies_at_one_place(record));
}

TEST_CASE("a place waits as cells") {
    const FlatPlace back = flat_place(cells_of(place()));
    CHECK(back.position == place().position);
    CHECK(back.orientation == place().orientation);
    CHECK(back.spacing == place().spacing);
    CHECK(std::isnan(back.imager_spacing[1]));
    CHECK_THROWS(flat_place(std::span<const core::Cell>{}));
}
