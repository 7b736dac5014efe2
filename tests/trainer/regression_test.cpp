// Figures of a regression, and what a report of one shows.
#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "trainer/eval/groups.h"
#include "trainer/eval/html.h"
#include "trainer/eval/judge.h"
#include "trainer/made_predictions.h"

using namespace trainer;
using Catch::Detail::Approx;

namespace {

// `sizes` patients at each site, `samples` of each; the model is off by `off` there, up and down in turn.
Predictions doses(const std::vector<int>& sizes, const std::vector<double>& off, int samples = 1) {
    Predictions p;
    p.task = "regression";
    p.classes = {"dose"};
    Predictions::Stratum site{"site", {}, {}};
    for (std::size_t s = 0; s < sizes.size(); ++s) {
        site.values.push_back("s" + std::to_string(s));
        for (int i = 0; i < sizes[s]; ++i)
            for (int k = 0; k < samples; ++k) {
                const double truth = 100 + i % 7 + k;
                p.truth.push_back(truth);
                p.probability.push_back(static_cast<float>(truth + (i % 2 ? off[s] : -off[s]) * (1 + i % 3)));
                p.patient.push_back(1000 * s + static_cast<std::uint64_t>(i));
                site.code.push_back(static_cast<std::int32_t>(s));
            }
    }
    p.strata = {site};
    return p;
}

EvaluateOptions options() {
    EvaluateOptions out;
    out.score = "mae";
    out.strata = {"site"};
    out.bootstrap = 50;
    return out;
}

}  // namespace

TEST_CASE("figures of numbers equal those worked out by hand") {
    Predictions p;
    p.task = "regression";
    p.classes = {"dose"};
    p.truth = {1, 2, 4, 9};
    p.probability = {2, 2, 2, 8};
    p.patient = {1, 2, 3, 4};
    const auto judged = judge_numbers().judged(p, all_of(p), {}, {}, Ranks::none);
    const auto figures = judged->of_once();
    REQUIRE(figures.size() == 4);
    CHECK(figures[0] == Approx((1 + 0 + 2 + 1) / 4.0));
    CHECK(figures[1] == Approx(std::sqrt((1 + 0 + 4 + 1) / 4.0)));
    CHECK(figures[2] == Approx(1 - 6.0 / (9 + 4 + 0 + 25)));
    CHECK(figures[3] == Approx((1 + 0 - 2 - 1) / 4.0));
    const auto twice = judged->of({2, 0, 0, 2});  // of a resampling
    CHECK(twice[0] == Approx(1));
    CHECK(twice[2] == Approx(1 - 4.0 / 64));
    for (const double each : judged->of({0, 0, 0, 0})) CHECK(std::isnan(each));
    p.truth = std::vector<double>(10, 0.1);  // whose mean is rounded
    p.probability = std::vector<float>(10, 0.2F);
    p.patient = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    CHECK(std::isnan(judge_numbers().judged(p, all_of(p), {}, {}, Ranks::none)->of_once()[2]));
    CHECK(std::isnan(judged->of({3, 0, 0, 0})[2]));  // one value explains nothing
}

TEST_CASE("less error is better: the worst stratum is that of the greatest") {
    const auto json = report(doses({40, 40, 40}, {1, 5, 2}), options());
    const auto& sites = json["strata"]["site"]["worst_first"];
    REQUIRE(sites.size() == 3);
    CHECK(sites[0]["value"] == "s1");
    CHECK(sites[2]["value"] == "s0");
    CHECK(sites[0]["gap"]["score"].get<double>() > 0);
    CHECK(sites[0]["gap"]["p"].get<double>() < 0.05);
    CHECK(json["task"] == "regression");
    CHECK(json["target"] == "dose");
    CHECK_FALSE(json.contains("confusion"));
    CHECK(where_it_fails(json).find("site: s1, mae") != std::string::npos);
    CHECK(html_report(json).find("Confusion") == std::string::npos);
    CHECK(html_report(json).find("Of dose, in its unit; less mae is better.") != std::string::npos);
    const auto better = [&](const char* select) {
        return made::kept_by(doses({40}, {1}), select).value() >
               made::kept_by(doses({40}, {3}), select).value();
    };
    CHECK((better("mae") && better("rmse") && better("r2")));
    CHECK(judge_numbers().unsigned_score(-3, "mae") == 3);
    CHECK(judge_numbers().unsigned_score(-3, "r2") == -3);
    CHECK(judge_numbers().unsigned_score(-3, "last") == 3);  // of the first score
}

TEST_CASE("strata of few patients have no figures, nor have those that would tell them") {
    const auto json = report(doses({40, 40, 4}, {1, 2, 3}, 5), options());  // 20 samples of four patients
    std::vector<std::string> hidden = json["strata"]["site"]["suppressed"];
    CHECK(hidden.size() == 2);  // the whole less the two others would be the third
    CHECK(std::find(hidden.begin(), hidden.end(), "s2") != hidden.end());
    CHECK(json["strata"]["site"]["worst_first"].size() == 1);
}

TEST_CASE("figures that would be one patient's error are not told") {
    Predictions p = doses({40, 40, 40}, {1, 2, 3});
    CHECK(report(p, options())["strata"]["site"]["worst_first"].size() == 3);
    p.probability[45] += 50;  // most of what s1 is off by, squared; little of the whole
    auto json = report(p, options());
    std::vector<std::string> hidden = json["strata"]["site"]["suppressed"];
    CHECK(hidden.size() == 2);  // else s1 were the whole less the others
    CHECK(std::find(hidden.begin(), hidden.end(), "s1") != hidden.end());
    CHECK_FALSE(json["overall"]["rmse"].is_null());

    p.probability[45] += 1000;  // now of the whole too
    json = report(p, options());
    for (const char* figure : {"mae", "rmse", "r2", "bias"}) {
        CHECK(json["overall"][figure].is_null());
        CHECK(json["overall"]["interval95"][figure].is_null());
    }
    for (const auto& each : json["strata"]["site"]["worst_first"])  // of which the rest tells
        CHECK((each["gap"].is_null() || each["gap"]["score"].is_null()));
    CHECK(made::kept_by(p, "mae").has_value());  // weights are chosen all the same

    p = doses({40}, {1});
    p.truth[3] += 1e6;  // a rare value, said well: what R2 and RMSE tell of the spread is that value
    p.probability[3] = static_cast<float>(p.truth[3] + 1);
    json = report(p, options());
    CHECK(json["overall"]["r2"].is_null());
    CHECK_FALSE(json["overall"]["mae"].is_null());
}

TEST_CASE("a patient of many samples is one patient") {
    Predictions p = doses({40}, {1});
    for (std::size_t i = 0; i < 12; ++i) {
        p.patient[i] = p.patient[0];
        p.probability[i] = static_cast<float>(p.truth[i] + 20);
    }
    CHECK(report(p, options())["overall"]["mae"].is_null());
}

TEST_CASE("figures are the same in any unit, to three digits") {
    const Predictions p = doses({40, 40, 40}, {1, 5, 2});
    const auto plain = report(p, options());
    for (const int exponent : {-40, 20}) {
        Predictions other = p;
        for (std::size_t i = 0; i < p.samples(); ++i) {
            other.truth[i] = std::ldexp(p.truth[i], exponent);
            other.probability[i] = std::ldexp(p.probability[i], exponent);
        }
        const auto json = report(other, options());
        for (const char* figure : {"mae", "rmse"})
            CHECK(json["overall"][figure].get<double>() ==
                  Approx(std::ldexp(plain["overall"][figure].get<double>(), exponent)).epsilon(0.01));
        CHECK(json["overall"]["r2"] == plain["overall"]["r2"]);
        for (std::size_t i = 0; i < 3; ++i)
            CHECK(json["strata"]["site"]["worst_first"][i]["gap"]["p"] ==
                  plain["strata"]["site"]["worst_first"][i]["gap"]["p"]);
        CHECK(where_it_fails(json).find("0.000 worse") == std::string::npos);
        CHECK(json["overall"]["mae"].dump().size() < 12);  // 1.23e-45 at most
    }
}

TEST_CASE("each patient counts once, by means") {
    Predictions p = doses({30}, {1}, 2);
    const auto json = report(p, options());
    REQUIRE(json["overall"].contains("per_patient"));
    CHECK(json["overall"]["per_patient"]["mae"] == json["overall"]["mae"]);  // both samples are off alike
    for (std::size_t i = 0; i < p.samples(); ++i)  // one is off as far up as the other down
        p.probability[i] = static_cast<float>(p.truth[i] + (i % 2 ? 3 : -3));
    const auto other = report(p, options());
    CHECK(other["overall"]["mae"].get<double>() == Approx(3));
    CHECK(other["overall"]["per_patient"]["mae"].get<double>() == Approx(0).margin(1e-5));
    CHECK_FALSE(other["overall"]["per_patient"].contains("without_agreement"));
}

TEST_CASE("values that are not finite end nothing and win nothing") {
    Predictions p = doses({40, 40}, {1, 2});
    p.probability[3] = GENERATE(NAN, INFINITY);
    CHECK_FALSE(made::kept_by(p, "mae").has_value());
    const auto json = report(p, options());
    CHECK(json["overall"]["without_score"] == 1);
    CHECK(json["overall"]["mae"].is_null());
    CHECK(json["strata"]["site"]["worst_first"][0]["value"] == "s1");  // what is not defined comes last
}

TEST_CASE("what a regression does not have is refused") {
    EvaluateOptions wrong = options();
    wrong.positive = "dose";
    CHECK_THROWS_AS(report(doses({40}, {1}), wrong), core::Error);
    wrong = options();
    wrong.points = {parse_point("0.5")};
    CHECK_THROWS_AS(report(doses({40}, {1}), wrong), core::Error);
    wrong = options();
    wrong.score = "auroc";
    CHECK_THROWS_WITH(report(doses({40}, {1}), wrong), Catch::Contains("\"mae\", \"rmse\" or \"r2\""));
    CHECK_THROWS_WITH(judge_of("regresion"), Catch::Contains("did you mean \"regression\""));
}
