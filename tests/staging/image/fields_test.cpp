#include "staging/image/fields.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

using namespace staging;

namespace {

const Definition& digits() {
    static const Definition definition = Definition::load(
        std::filesystem::path(std::getenv("ALOFT_SOURCE")) / "configs/datasets/digits.toml", {"north"});
    return definition;
}

const Pseudonyms& pseudonyms() {
    static const Pseudonyms mine(core::SecretKey::from(core::Bytes(32, 9)));
    return mine;
}

Record image(const core::Bytes& pixels, std::uint32_t rows) {
    Record record;
    record.pixels.frames = record.pixels.samples = 1;
    record.pixels.rows = rows;
    record.pixels.columns = static_cast<std::uint32_t>(pixels.size()) / rows;
    record.pixels.type = PixelType::u8;
    record.pixels.bytes = pixels;
    record.pixels.sha256 = core::sha256(pixels);
    return record;
}

}  // namespace

TEST_CASE("a good image keeps its pixels, bit by bit") {
    core::Bytes pixels(64, 3);
    pixels[17] = 200;
    const auto fields = fields_of(image(pixels, 8), digits());
    REQUIRE(std::holds_alternative<std::vector<core::Array>>(fields));
    REQUIRE(std::get<0>(fields).size() == 1);
    CHECK(std::get<0>(fields)[0].bytes == pixels);
}

TEST_CASE("an image of another shape is no field") {
    const core::Bytes pixels(64, 3);
    const auto fields = fields_of(image(pixels, 4), digits());
    REQUIRE(std::holds_alternative<Rejection>(fields));
    CHECK(std::get<Rejection>(fields).reason == Reason::shape_differs);
    CHECK(std::get<Rejection>(fields).detail == "image");
}

TEST_CASE("an image that is too large as the field is refused before there is one") {
    Definition definition = digits();
    definition.fields[0].field.shape = {};
    definition.fields[0].field.dtype = core::DType::f32;
    const core::Bytes pixels(64, 3);
    Record record = image(pixels, 8);
    record.frames.resize(1);
    record.frames[0].spacing = {1, 1};
    const auto outcome = [&](double spacing, std::uint64_t most) {
        definition.fields[0].spacing.assign(2, spacing);
        if (spacing == 0) definition.fields[0].spacing.clear();
        definition.limits.image_bytes = most;
        const auto fields = fields_of(record, definition);
        const auto* refused = std::get_if<Rejection>(&fields);
        return refused ? std::string(reason_name(refused->reason)) + " " + refused->detail
                       : std::to_string(std::get<0>(fields)[0].bytes.size());
    };
    CHECK(outcome(0, 256) == "256");
    CHECK(outcome(0, 255) == "image_too_large image_bytes");
    CHECK(outcome(0.5, 1024) == "1024");
    CHECK(outcome(0.5, 1023) == "image_too_large image_bytes");
    // No limit can be raised so far.
    CHECK(outcome(1e-3, kMostArrayBytes) == "256000000");
    CHECK(outcome(3e-4, kMostArrayBytes) == "image_too_large more than 2 GiB");
    CHECK(outcome(1e-5, kMostArrayBytes) == "image_too_large more than 2 GiB");
    // What is cut is there before.
    definition.fields[0].field.shape = {1, 8, 8};
    definition.fields[0].fit = Fit::crop_pad;
    CHECK(outcome(0.5, 1023) == "image_too_large image_bytes");
    CHECK(outcome(0.5, 1024) == "256");
}

TEST_CASE("a number of a table is all of its text") {
    const Definition table = Definition::load(
        std::filesystem::path(std::getenv("ALOFT_SOURCE")) / "configs/datasets/wdbc.toml", {"north"});
    Record record;
    record.row = 1;
    record.values.assign(table.wanted.size(), Value{"1", {'U', 'T'}, {}});
    REQUIRE(std::holds_alternative<std::vector<core::Array>>(fields_of(record, table)));
    for (const char* text : {"1\\5", "1\\", "one"}) {
        for (auto& value : record.values) value->bytes = text;
        const auto fields = fields_of(record, table);
        REQUIRE(std::holds_alternative<Rejection>(fields));
        CHECK(std::get<Rejection>(fields).reason == Reason::bad_value);
    }
}

TEST_CASE("content tells the same pixels") {
    core::Bytes pixels(64, 3);
    const auto content = [&](std::uint32_t rows) {
        return content_of(image(pixels, rows), {}, pseudonyms());
    };
    const core::Id16 first = content(8);
    CHECK(content(8) == first);
    CHECK(content(4) != first);
    pixels[0] ^= 1;
    CHECK(content(8) != first);
}
