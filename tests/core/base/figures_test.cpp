#include "core/base/figures.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using core::published_count;
using core::version_figures;
using Json = nlohmann::ordered_json;

TEST_CASE("counts are told to the nearest ten, and below ten only that") {
    CHECK(published_count(0) == 0);
    for (const std::int64_t few : {1, 5, 9}) CHECK(published_count(few) == "<10");
    CHECK(published_count(10) == 10);
    CHECK(published_count(14) == 10);
    CHECK(published_count(15) == 20);
    CHECK(published_count(569) == 570);
    // What was rounded stays as it is when it is rounded again.
    for (std::int64_t n = 10; n < 2000; ++n)
        CHECK(published_count(published_count(n).get<std::int64_t>()) == published_count(n));
}

TEST_CASE("a version's figures are rounded, whatever a manifest says exactly") {
    Json manifest{{"samples", 47},
                  {"shards", 3},
                  {"bytes", 123456},
                  {"splits",
                   {{"by", "patient"},
                    {"samples", {{"train", 41}, {"test", 6}}},
                    {"patients", {{"train", 28}, {"test", 4}}},
                    {"patients_at_two_sites", "<10"}}}};
    CHECK(version_figures(manifest) == Json({{"samples", 50},
                                             {"patients", 30},
                                             {"shards", "<10"},
                                             {"bytes", nullptr},
                                             {"splits",
                                              {{"train", {{"patients", 30}, {"samples", 40}}},
                                               {"test", {{"patients", "<10"}, {"samples", "<10"}}}}}}));
    manifest["samples"] = 999;
    CHECK(version_figures(manifest).at("bytes").is_null());
    manifest["samples"] = 1000;
    CHECK(version_figures(manifest).at("bytes") == 120000);
    manifest["bytes"] = 7;
    CHECK(version_figures(manifest).at("bytes") == 7);
}

TEST_CASE("what a manifest does not say is null, in format 1 and in what was registered long ago") {
    const Json nothing{{"samples", nullptr},
                       {"patients", nullptr},
                       {"shards", nullptr},
                       {"bytes", nullptr},
                       {"splits", Json::object()}};
    for (const Json& manifest :
         {Json(), Json::object(), Json::array({1}), Json{{"samples", "47"}, {"splits", 3}}})
        CHECK(version_figures(manifest) == nothing);
    CHECK(version_figures({{"shards", Json::array({1, 2})}}).at("shards") == "<10");
    CHECK(version_figures({{"splits", {{"patients", {{"train", "many"}}}}}})
              .at("splits")
              .at("train")
              .at("patients")
              .is_null());
}
