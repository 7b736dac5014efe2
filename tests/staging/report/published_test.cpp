#include "staging/report/published.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "reports.h"
#include "staging/report/quality.h"

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
        const bool is_asked = way == "/risk/k" || way.starts_with("/risk/sensitive/");
        if (!is_asked) CHECK(number % 10 == 0);
    }
    // The exact report has what this looks for.
    all.clear();
    numbers(test::small_report(), "", all);
    CHECK(std::any_of(all.begin(), all.end(), [](const auto& one) { return one.second % 10 != 0; }));
}

TEST_CASE("of a site with few samples nothing is told, and of nothing extremes are") {
    const Json report = published_report(test::small_report());
    CHECK(samples_by(report, "site") == Json({{"north", 40}, {"south", "<10"}}));
    const Json& quality = report.at("quality");
    CHECK(quality.at("fields").at("image").at("south").is_null());
    CHECK(quality.at("columns").at("age").at("south").is_null());
    CHECK(quality.at("categories").at("label").at("south").is_null());
    CHECK(quality.at("categories").at("label").at("north") == Json({{"0", 30}, {"1", "<10"}}));
    CHECK(report.at("quarantine").at("unlisted") == Json({{"north", 10}, {"south", nullptr}}));
    CHECK(report.at("quarantine").at("label_conflict") == Json({{"south", nullptr}}));
    CHECK(report.at("deliveries")[1] == Json({{"delivery", "south"}}));
    // The means of all sites but one would give that one's, beside those of all together (manifest, datasheet).
    CHECK(quality.at("columns").at("age").at("north") == Json({{"samples", 40}, {"missing", "<10"}}));
    CHECK(quality.at("fields").at("image").at("north") == Json({{"samples", 40}}));
    CHECK(report.at("drift").empty());
    CHECK_FALSE(quality.contains("strata"));
    CHECK_FALSE(quality.contains("per_sample"));
    CHECK_FALSE(report.at("risk").contains("marketer_risk"));
    CHECK(report.dump().find("hmac") == std::string::npos);
    CHECK(report.at("deviations") ==
          Json({{"north", {{"trailing_zeros", 10}, {"no_preamble", "<10"}}}, {"south", nullptr}}));
    Json blanked = test::small_report();
    blanked["text blanked in pixels"]["south"] = {{"frames", 30}, {"boxes", 30}};
    CHECK(published_report(blanked).at("text blanked in pixels").at("south").is_null());
}

TEST_CASE("means are told where each site has enough, no finer than ten samples move them") {
    const Json quality = published_report(test::enough_report()).at("quality");
    // Ten of 36 samples move a mean by 10 / 36 of the range: ages to the nearest 20.
    CHECK(quality.at("columns").at("age").at("north").at("mean") == 60.0);
    CHECK(quality.at("fields").at("image").at("south").at("mean") == 100.0);
    CHECK_FALSE(quality.at("fields").at("image").at("south").contains("max"));
    Json report = test::enough_report();
    report["quality"]["columns"]["age"]["north"] = {
        {"count", 36}, {"missing", 4}, {"min", 1e-310}, {"max", 1e-310}, {"sum", 36e-310}};
    CHECK(published_report(report).at("quality").at("columns").at("age").at("north").at("mean") ==
          Approx(1e-310));
}

TEST_CASE("a mean of whole numbers does not tell how many they are") {
    for (int n = 15; n < 105; ++n) {
        INFO(n);
        const auto told = published_mean((n * 47 + n / 3) / static_cast<double>(n), 70, n);
        int fitting = 0;
        const int about = (n + 5) / 10 * 10;
        for (int other = about - 5; other < about + 5; ++other) {
            bool fits = false;
            for (int sum = 20 * other; sum < 80 * other && !fits; ++sum)
                fits = published_mean(sum / static_cast<double>(other), 70, other) == told;
            fitting += fits;
        }
        CHECK(fitting >= 5);
    }
}

TEST_CASE("a comparison with a small count on either side is not told, and of p no more than a side") {
    const Json report = published_report(test::enough_report());
    std::vector<std::string> told;
    for (const Json& one : report.at("drift")) {
        told.push_back(one.at("what"));
        CHECK_FALSE(one.contains("p"));
    }
    CHECK(told == std::vector<std::string>{"label", "age", "image (mean)"});
    CHECK(report.at("drift")[0].at("p_adjusted") == "<0.01");
    CHECK(report.at("drift")[2].at("p_adjusted") == ">=0.01");
    CHECK(quality_html(report).find(">&lt;0.01<") != std::string::npos);
}

TEST_CASE("of the worst group's measures it is told whether they hold") {
    const Json sensitive = published_report(test::small_report()).at("risk").at("sensitive");
    CHECK_FALSE(sensitive.contains("greatest_distance"));
    CHECK(sensitive.at("distance_holds") == true);
    Json report = test::small_report();
    report["risk"]["sensitive"]["t"] = 0.1;
    CHECK(published_report(report).at("risk").at("sensitive").at("distance_holds") == false);
    CHECK(quality_html(published_report(report)).find("more than 0.1 away") != std::string::npos);
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
