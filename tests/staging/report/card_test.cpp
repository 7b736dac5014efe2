#include "staging/report/card.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <nlohmann/json.hpp>

using namespace staging;

namespace {

// What the card for catalogues tells as the size of so few samples in so many bytes.
std::string size_told(const core::Field& field, std::int64_t samples, std::uint64_t bytes) {
    core::Manifest manifest;
    manifest.dataset = "digits", manifest.version = "1";
    manifest.schema.fields = {field};
    manifest.splits = {{"samples", {{"train", samples}}}, {"patients", {{"train", samples}}}};
    manifest.pages = {{.file = "page-000000.json", .shards = 1, .samples = samples, .bytes = bytes}};
    static const Card card =
        Card::load(std::filesystem::path(std::getenv("ALOFT_SOURCE")) / "configs/cards/digits.toml");
    const auto told = healthdcat(card, manifest, {});
    return told->at("dcat:distribution").at("dcat:byteSize").at("@value").get<std::string>();
}

}  // namespace

TEST_CASE("below a thousand samples the size on a catalogue's card is the schema's alone") {
    for (const auto& [shape, told] : {std::pair(std::vector<std::int64_t>{1000}, "10000000"),
                                      std::pair(std::vector<std::int64_t>{}, "100000000000")})
        for (const std::int64_t samples : {1, 3, 9, 40, 999})
            for (const std::uint64_t bytes : {36'960, 4'000'000, 2'000'000'000})
                CHECK(size_told({.name = "image", .dtype = core::DType::f32, .shape = shape, .units = ""},
                                samples, bytes) == told);
    CHECK(size_told({.name = "image", .dtype = core::DType::f32, .shape = {1000}, .units = ""}, 1000,
                    4'321'000) == "4300000");
}
