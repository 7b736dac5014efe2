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
    // Two of them are not: they count in the effect, and by an exact test.
    quality.categories["sex"] = {{"north", {{"F", 40}, {"M", 60}, {"a", 5}, {"b", 4}}},
                                 {"south", {{"F", 5}, {"M", 95}}}};
    CHECK(of(drift_of(quality), "sex", "south").effect == Approx(0.45788751668462785));
}

TEST_CASE("a small site whose values nobody else has is the strongest drift, and ends nothing") {
    Quality quality;
    for (const bool has_some : {false, true}) {
        quality.categories["vendor"] = {{"north", {{"own", has_some ? 38 : 40}}},
                                        {"south", {{"a", has_some ? 5001 : 5000}, {"b", 4960}}}};
        if (has_some) quality.categories["vendor"]["north"]["a"] = 2;
        const auto found = drift_of(quality);
        for (const char* site : {"north", "south"}) {
            CHECK(of(found, "vendor", site).effect > 0.95);
            CHECK(of(found, "vendor", site).adjusted < 1e-50);
        }
    }
    // One of 40 alone says nothing: P(at least one of one) = 40 / 10000, twice for both sides, twice for two tests.
    quality.categories["vendor"] = {{"north", {{"own", 1}, {"a", 20}, {"b", 19}}},
                                    {"south", {{"a", 5000}, {"b", 4960}}}};
    CHECK(of(drift_of(quality), "vendor", "north").p == Approx(4 * 40.0 / 10000));
    // And a category of the others alone, the same by the exact test: twice C(40, 40) / C(46, 40).
    quality.categories["vendor"] = {{"north", {{"a", 40}}}, {"south", {{"b", 6}, {"a", 4}}}};
    CHECK(of(drift_of(quality), "vendor", "north").p == Approx(2 * 210.0 / 15890700));
}

TEST_CASE("what cannot be compared is told with the reason") {
    Quality quality;
    quality.per_sample["age"]["north"] = moments(std::vector<double>(20, 1e160));
    quality.per_sample["age"]["north"].merge(moments(std::vector<double>(20, -1e160)));
    quality.per_sample["age"]["south"] = moments(std::vector<double>(20, 1.0));
    for (int i = 0; i < 20; ++i) {
        quality.categories["code"]["north"]["n" + std::to_string(i)] = 2;
        quality.categories["code"]["south"]["s" + std::to_string(i)] = 2;
    }
    auto found = drift_of(quality);
    CHECK(found.size() == 4);
    CHECK(of(found, "age", "south").not_compared == Drift::Why::not_finite);
    CHECK(of(found, "code", "south").not_compared == Drift::Why::all_rare);
    CHECK(to_json(found)[0].at("not_compared") == "numbers too large");
    CHECK(to_json(found)[0].at("p_adjusted").is_null());
    quality.categories.clear();
    quality.per_sample["age"]["north"] = moments(std::vector<double>(9, 1.0));
    found = drift_of(quality);
    CHECK(of(found, "age", "north").not_compared == Drift::Why::few);
}

TEST_CASE("very small numbers are compared as others are, and very small probabilities are written") {
    Quality quality;
    for (const double unit : {1.0, 1e-90}) {
        std::vector<double> one, other;
        for (int i = 0; i < 20; ++i) {
            one.push_back((10 + i % 5) * unit);
            other.push_back((11 + i % 3) * unit);
        }
        const std::string name = unit == 1 ? "rate" : "small rate";
        quality.per_sample[name]["north"] = moments(one);
        quality.per_sample[name]["south"] = moments(other);
    }
    const auto found = drift_of(quality);
    CHECK(of(found, "rate", "north").p == Approx(of(found, "small rate", "north").p));
    CHECK(of(found, "rate", "north").effect == Approx(of(found, "small rate", "north").effect));
    for (const double p : {1e-310, 9.5e-311, 5e-324}) {
        const auto written = to_json({Drift{"age", "north", Drift::Kind::number, 20, 1, p, p}});
        CHECK(written[0].at("p").get<double>() == Approx(p));
    }
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
    for (const Drift& one : drift_of(quality)) CHECK(one.not_compared == Drift::Why::few);
    quality.categories.clear();
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
