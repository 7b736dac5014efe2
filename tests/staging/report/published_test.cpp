#include "staging/report/published.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "reports.h"

using namespace staging;
using Json = nlohmann::ordered_json;

namespace {

// Every whole number below, with the way to it.
void numbers(const Json& tree, const std::string& way,
             std::vector<std::pair<std::string, std::int64_t>>& out) {
    for (const auto& [key, value] : tree.items())
        if (value.is_structured())
            numbers(value, way + "/" + key, out);
        else if (value.is_number_integer())
            out.emplace_back(way + "/" + key, value.get<std::int64_t>());
}

}  // namespace

TEST_CASE("no count in a published report is exact, and none is small") {
    std::vector<std::pair<std::string, std::int64_t>> all;
    numbers(published_report(test::small_report()), "", all);
    CHECK(all.size() > 20);
    for (const auto& [way, number] : all) {
        INFO(way);
        if (way != "/risk/k") CHECK(number % 10 == 0);
    }
    // The exact report has what this looks for.
    all.clear();
    numbers(test::small_report(), "", all);
    CHECK(std::any_of(all.begin(), all.end(), [](const auto& one) { return one.second % 10 != 0; }));
}

TEST_CASE("of a site with few samples nothing is told, and of columns no extremes are") {
    const Json report = published_report(test::small_report());
    CHECK(samples_by(report, "site") == Json({{"north", 40}, {"south", "<10"}}));
    const Json& quality = report.at("quality");
    CHECK(quality.at("fields").at("image").at("south").is_null());
    CHECK(quality.at("columns").at("age").at("south").is_null());
    CHECK(quality.at("columns").at("age").at("north") ==
          Json({{"samples", 40}, {"missing", "<10"}, {"mean", 50.0}}));
    // 2560 elements of 64 a sample would be 40 samples, not about 40.
    CHECK(quality.at("fields").at("image").at("north") ==
          Json({{"samples", 40}, {"min", 0.0}, {"max", 255.0}, {"mean", 4.82253}}));
    CHECK_FALSE(quality.contains("strata"));
    CHECK_FALSE(quality.contains("per_sample"));
    CHECK_FALSE(report.at("risk").contains("marketer_risk"));
    CHECK(report.dump().find("hmac") == std::string::npos);
}

TEST_CASE("the exact report tells the samples of each site as they are") {
    CHECK(samples_by(test::small_report(), "site") == Json({{"north", 40}, {"south", 4}}));
    CHECK(samples_by(test::small_report(), "label") == Json({{"0", 37}, {"1", 7}}));
}

TEST_CASE("a report without its parts is refused") {
    Json report = test::small_report();
    report.erase("drift");
    CHECK_THROWS_AS(published_report(report), core::Error);
}
