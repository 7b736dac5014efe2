#include "staging/report/drift.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

using namespace staging;

namespace {

core::Moments moments(const std::vector<double>& values, std::int64_t missing = 0) {
    core::Moments out;
    out.missing = missing;
    for (const double value : values) out.merge({1, 0, value, 0, value, value});
    return out;
}

const Drift& of(const std::vector<Drift>& all, const std::string& what, const std::string& site) {
    for (const Drift& one : all)
        if (one.what == what && one.site == site) return one;
    throw std::runtime_error("not compared: " + what + ", " + site);
}

}  // namespace

// Expected values: scipy 1.17.1, ttest_ind_from_stats(equal_var=False) and chi2_contingency(correction=False).
TEST_CASE("numbers are compared by Welch's t, with the distance in standard deviations") {
    Quality quality;
    quality.per_sample["age"]["north"] = moments({10, 11, 12, 13, 14, 15, 16, 17, 18, 19});
    quality.per_sample["age"]["south"] = moments({12, 12, 13, 15, 15, 17, 18, 20, 21, 21, 22, 24});
    const auto found = drift_of(quality);
    REQUIRE(found.size() == 2);
    for (const char* site : {"north", "south"}) {
        CHECK(of(found, "age", site).p == Approx(0.06377440683579572));
        CHECK(of(found, "age", site).effect == Approx(0.8172536479247934));
        CHECK(of(found, "age", site).adjusted == Approx(2 * 0.06377440683579572));
    }
    CHECK(of(found, "age", "north").samples == 10);
}

TEST_CASE("categories are compared by chi-squared, the rare ones together, missing ones as one of them") {
    Quality quality;
    quality.categories["sex"] = {{"north", {{"F", 30}, {"M", 20}, {"", 10}}},
                                 {"south", {{"F", 10}, {"M", 30}, {"", 50}}}};
    const auto found = drift_of(quality);
    CHECK(of(found, "sex", "north").p == Approx(4.082836041142517e-08));
    CHECK(of(found, "sex", "south").effect == Approx(0.47628967220784013));
    // Three that are too few by themselves are enough together.
    quality.categories["sex"] = {{"north", {{"F", 40}, {"M", 48}, {"a", 5}, {"b", 4}, {"c", 3}}},
                                 {"south", {{"F", 5}, {"M", 95}}}};
    CHECK(of(drift_of(quality), "sex", "south").p == Approx(1.3446500334812894e-12));
    CHECK(of(drift_of(quality), "sex", "south").effect == Approx(0.5228277664287478));
    // Two of them are not, and go with nothing.
    quality.categories["sex"] = {{"north", {{"F", 40}, {"M", 60}, {"a", 5}, {"b", 4}}},
                                 {"south", {{"F", 5}, {"M", 95}}}};
    CHECK(of(drift_of(quality), "sex", "south").effect == Approx(0.4190790380624748));
}

TEST_CASE("missing numbers are compared besides") {
    Quality quality;
    quality.per_sample["age"]["north"] = moments(std::vector<double>(40, 1.0), 60);
    quality.per_sample["age"]["south"] = moments(std::vector<double>(5, 1.0), 95);
    const auto found = drift_of(quality);
    CHECK(of(found, "age (missing)", "north").p == Approx(3.0913445375949275e-09));
    CHECK(of(found, "age (missing)", "north").effect == Approx(0.4190790380624748));
}

TEST_CASE("a site of few samples, one site alone, and what is everywhere the same say nothing") {
    Quality quality;
    const std::vector<double> many(20, 1.0), few(9, 5.0);
    quality.per_sample["age"]["north"] = moments(many);
    CHECK(drift_of(quality).empty());
    quality.per_sample["age"]["south"] = moments(few);
    quality.categories["sex"] = {{"north", {{"F", 20}}}, {"south", {{"M", 9}}}};
    CHECK(drift_of(quality).empty());
    quality.per_sample["age"]["south"] = moments(many);
    quality.categories["sex"] = {{"north", {{"F", 20}}}, {"south", {{"F", 30}}}};
    const auto found = drift_of(quality);
    CHECK(found.size() == 2);
    CHECK(of(found, "age", "south").p == 1);
    CHECK(of(found, "age", "south").effect == 0);
}

TEST_CASE("two values that never vary have nothing in common, and JSON says so by null") {
    Quality quality;
    quality.per_sample["slope"]["north"] = moments(std::vector<double>(20, 1.0));
    quality.per_sample["slope"]["south"] = moments(std::vector<double>(20, 2.0));
    const auto found = drift_of(quality);
    CHECK(std::isinf(of(found, "slope", "north").effect));
    CHECK(to_json(found)[0].at("effect").is_null());
    CHECK(to_json(found)[0].at("p_adjusted") == 0.0);
}
