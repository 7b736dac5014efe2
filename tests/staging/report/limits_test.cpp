#include "staging/report/limits.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/base/error.h"
#include "core/base/files.h"
#include "reports.h"
#include "support/scratch.h"

using namespace staging;

namespace {

std::vector<std::string> broken(const std::string& toml,
                                const nlohmann::ordered_json& report = test::small_report()) {
    const test::Scratch folder;
    core::write_atomically(folder / "limits.toml", std::string_view(toml));
    return broken_limits(report, QualityLimits::load(folder / "limits.toml"));
}

}  // namespace

TEST_CASE("what is not asked for is not judged, and what holds exactly holds") {
    CHECK(broken("").empty());
    CHECK(broken("fewest_samples = 4\npatients_below_k = 3\n[left_out]\nmost = 0.43\n[missing]\nmost = 0.25\n"
                 "[drift]\nmost = 0.4\np = 0.01\n[drift.names]\nage = inf\n")
              .empty());
}

TEST_CASE("each limit that is broken is told with the delivery, the figure and what is allowed") {
    using Said = std::vector<std::string>;
    CHECK(broken("fewest_samples = 5") == Said{"south: samples: 4, at least 5 is allowed"});
    CHECK(broken("patients_below_k = 2") ==
          Said{"all deliveries: patients in groups below k: 3, at most 2 is allowed"});
    CHECK(broken("[left_out]\nmost = 0.2") == Said{"south: left out: 42.9 %, at most 20 % is allowed"});
    CHECK(broken("[left_out.reasons]\nlabel_conflict = 0") ==
          Said{"south: left out as label_conflict: 14.3 %, at most 0 % is allowed"});
    CHECK(broken("[missing]\nmost = 0.09") == Said{"north: age, missing: 10 %, at most 9 % is allowed",
                                                   "south: age, missing: 25 %, at most 9 % is allowed",
                                                   "south: label, missing: 25 %, at most 9 % is allowed"});
    // Its own limit counts, not the general one.
    CHECK(broken("[missing]\nmost = 0\n[missing.names]\nage = 0.3\nlabel = 0.25").empty());
    CHECK(broken("[drift]\nmost = 0.39") ==
          Said{"north: label, unlike the other deliveries: effect 0.4, at most 0.39 is allowed",
               "north: age, unlike the other deliveries: without any overlap, at most 0.39 is allowed"});
}

TEST_CASE("a column's own limit of drift counts, for its missing values and means too") {
    auto report = test::small_report();
    report["drift"][2]["p_adjusted"] = 0.001;
    CHECK(broken("[drift]\nmost = 0.1\n[drift.names]\nlabel = 1\nage = inf\nimage = 3", report).empty());
    CHECK(broken("[drift.names]\nimage = 2.9", report).size() == 1);
    report["drift"][0]["effect"] = 1.0;
    CHECK(broken("[drift.names]\nlabel = 1", report).empty());
    CHECK(broken("[drift.names]\nlabel = 0.99", report).size() == 1);
}

TEST_CASE("what could not be compared breaks a limit of drift, but for few samples") {
    for (const auto& [why, count] : {std::pair("numbers too large", std::size_t{1}),
                                     std::pair("fewer than 10 samples", std::size_t{0})}) {
        auto report = test::small_report();
        report["drift"] = {{{"what", "age"},
                            {"site", "north"},
                            {"kind", "number"},
                            {"samples", 36},
                            {"effect", nullptr},
                            {"p", nullptr},
                            {"p_adjusted", nullptr},
                            {"not_compared", why}}};
        CHECK(broken("[drift]\nmost = 5", report).size() == count);
        CHECK(broken("[drift.names]\nage = inf", report).empty());
    }
}

TEST_CASE("a dataset whose samples have no site is not taken for one without drift") {
    auto report = test::small_report();
    report["drift"] = nlohmann::ordered_json::array();
    for (auto& stratum : report["quality"]["strata"]) stratum["site"] = "";
    CHECK(broken("[left_out]\nmost = 1", report).empty());
    for (const char* toml : {"[drift]\nmost = 1", "fewest_samples = 0"})
        CHECK_THROWS_AS(broken(toml, report), core::Error);
}

TEST_CASE("patients who were left out break no limit") {
    auto report = test::small_report();
    report["risk"]["suppressed"] = true;
    CHECK(broken("patients_below_k = 0", report).empty());
}

TEST_CASE("limits that cannot be meant are refused") {
    for (const char* toml :
         {"fewest = 1", "fewest_samples = -1", "[left_out]\nmost = 1.5", "[left_out]\nmost = -0.1",
          "[left_out.reasons]\nlabel_conflicts = 0", "[missing.names]\nweight = 0.5", "[drift]\np = 0.5",
          "[drift]\nmost = 1\np = 0", "[drift.names]\nweight = 1", "[drift]\nmost = -1"}) {
        INFO(toml);
        try {
            broken(toml);
            FAIL("taken");
        } catch (const core::Error& e) {
            CHECK(e.fault() == core::Fault::usage);
        }
    }
}

TEST_CASE("a report that does not say what is asked for is not taken for one that holds") {
    auto report = test::small_report();
    report.erase("drift");
    CHECK(broken("", report).empty());
    CHECK_THROWS_AS(broken("[drift]\nmost = 1", report), core::Error);
}

TEST_CASE("the example in configs is a file of limits") {
    const char* source = std::getenv("ALOFT_SOURCE");
    REQUIRE(source);
    CHECK(QualityLimits::load(std::string(source) + "/configs/quality/limits.toml").drift == 0.8);
}
