#include "trainer/eval/metrics.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>

#include "core/base/error.h"
#include "trainer/made_predictions.h"

using namespace trainer;
using Catch::Detail::Approx;
using made::example;
using made::kept_by;
using made::measure;
using made::sites;

namespace {

std::optional<double> auroc(const std::vector<float>& score, const std::vector<bool>& is_positive) {
    Predictions p;
    p.classes = {"a", "b"};
    for (std::size_t i = 0; i < score.size(); ++i) {
        p.label.push_back(is_positive[i]);
        p.probability.insert(p.probability.end(), {0.5F, score[i]});
        p.patient.push_back(i);
    }
    std::vector<std::size_t> all(score.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    return measure(p, all, 1).auroc;
}

}  // namespace

TEST_CASE("measures equal those worked out by hand") {
    const Measures m = measure(example(), {0, 1, 2, 3}, 1);
    CHECK(m.samples == 4);
    CHECK(m.accuracy == 0.75);
    CHECK(*m.sensitivity == 1.0);
    CHECK(*m.specificity == 0.5);
    CHECK(*m.auroc == 0.75);
    CHECK(*m.loss == Approx(0.510826).margin(1e-6));
    CHECK(m.confusion == std::vector<std::vector<std::int64_t>>{{1, 1}, {0, 2}});
    const Measures other = measure(example(), {0, 1, 2, 3}, 0);
    CHECK(*other.sensitivity == 0.5);
    CHECK(*other.specificity == 1.0);
}

TEST_CASE("AUROC counts the pairs that are in the right order, ties by half") {
    std::mt19937 random(3);
    std::vector<float> score;
    std::vector<bool> positive;
    for (int i = 0; i < 200; ++i) {
        score.push_back(static_cast<float>(random() % 20));  // many ties
        positive.push_back(random() % 3 == 0);
    }
    double won = 0, pairs = 0;
    for (std::size_t i = 0; i < score.size(); ++i)
        for (std::size_t j = 0; j < score.size(); ++j)
            if (positive[i] && !positive[j]) {
                won += score[i] > score[j] ? 1 : score[i] == score[j] ? 0.5 : 0;
                ++pairs;
            }
    CHECK(*auroc(score, positive) == Approx(won / pairs).epsilon(1e-12));
    CHECK_FALSE(auroc({0.1F, 0.2F}, {true, true}).has_value());
    CHECK_FALSE(auroc({}, {}).has_value());
}

TEST_CASE("of more classes each stands against the rest, and absent ones do not count") {
    Predictions p;
    p.classes = {"a", "b", "c"};
    p.label = {0, 0, 1};
    p.probability = {0.8F, 0.1F, 0.1F, 0.3F, 0.6F, 0.1F, 0.1F, 0.7F, 0.2F};
    p.patient = {1, 2, 3};
    const Measures m = measure(p, {0, 1, 2}, -1);
    CHECK(m.accuracy == Approx(2.0 / 3));
    CHECK(*m.sensitivity == Approx((0.5 + 1.0) / 2));        // a: 1 of 2, b: 1 of 1
    CHECK(*m.specificity == Approx((1.0 + 0.5 + 1.0) / 3));  // b: one false alarm among two
    CHECK(*m.auroc == Approx((1.0 + 1.0) / 2));
}

TEST_CASE("scores that are not finite end nothing and win nothing") {
    const float bad = GENERATE(NAN, INFINITY, -INFINITY);
    CHECK_FALSE(auroc({0.1F, bad, 0.3F}, {false, true, true}).has_value());
    Predictions p = example();
    p.probability[0] = p.probability[1] = bad;  // of class b
    const Measures m = measure(p, {0, 1, 2, 3}, 1);
    CHECK(m.samples == 4);
    CHECK(m.unscored == 1);
    CHECK(m.accuracy == 0.5);
    CHECK(*m.sensitivity == 0.5);
    CHECK(*m.specificity == 0.5);
    CHECK_FALSE(m.auroc.has_value());
    CHECK_FALSE(m.loss.has_value());
    for (const char* select : {"accuracy", "auroc", "loss"}) {
        CHECK(kept_by(example(), select).has_value());
        CHECK_FALSE(kept_by(p, select).has_value());
    }
    EvaluateOptions options;
    options.bootstrap = 20;
    const auto json = report(p, options);
    CHECK(json["overall"]["without_score"] == 1);
    CHECK(json["overall"]["loss"].is_null());
    CHECK_FALSE(report(example(), options)["overall"].contains("without_score"));

    for (float& each : p.probability) each = bad;  // a model that diverged is right nowhere
    const Measures none = measure(p, {0, 1, 2, 3}, 1);
    CHECK(none.accuracy == 0);
    CHECK(*none.sensitivity == 0);
    CHECK(*none.specificity == 0);
}

TEST_CASE("an AUROC that is not defined is not replaced by another score") {
    Predictions p = example();
    p.label = {1, 1, 1, 1};
    CHECK_FALSE(kept_by(p, "auroc").has_value());
    CHECK(kept_by(p, "loss").value() < 0);
}

TEST_CASE("what a dataset has no column for is left out of the strata") {
    Predictions predictions = sites({40, 40}, {4, 20});
    std::erase_if(predictions.strata, [](const auto& stratum) { return stratum.name == "vendor"; });
    EvaluateOptions options;
    options.bootstrap = 0;
    options.strata = {"site", "vendor", "site*vendor"};
    const auto json = report(predictions, options);
    CHECK(json["strata"].contains("site"));
    CHECK(json["strata"].size() == 1);
}

TEST_CASE("strata come worst first, and small ones without figures") {
    EvaluateOptions options;
    options.strata = {"site"};
    options.bootstrap = 20;
    const auto json = report(sites({40, 40, 3, 14, 60}, {4, 20, 0, 0, 3}), options);
    const auto& shown = json["strata"]["site"]["worst_first"];
    REQUIRE(shown.size() == 3);
    CHECK(shown[0]["value"] == "s1");
    CHECK(shown[0]["accuracy"] == 0.5);
    CHECK(shown[1]["value"] == "s0");
    CHECK(shown[2]["value"] == "s4");
    CHECK(json["strata"]["site"]["suppressed"] == std::vector<std::string>{"s2", "s3"});
    CHECK(json["overall"]["samples"] == 157);
    CHECK(json["patients"] == 157);
}

TEST_CASE("a site at which one class is rare is not the best for that") {
    Predictions p = sites({40, 40}, {0, 8});
    for (std::size_t i = 0; i < 40; ++i) {  // s0: two positives, both missed
        p.label[i] = i < 2;
        p.probability[2 * i] = 0.9F;
        p.probability[2 * i + 1] = 0.1F;
    }
    const auto shown = report(p, {})["strata"]["site"]["worst_first"];
    CHECK(shown[0]["value"] == "s0");
    CHECK(shown[0]["accuracy"] == 0.95);
    CHECK(shown[1]["accuracy"] == 0.8);
}

TEST_CASE("a single small stratum takes the next smallest with it") {
    EvaluateOptions options;
    options.bootstrap = 0;
    options.strata = {"site"};
    const auto json = report(sites({40, 30, 3}, {4, 1, 0}), options);
    CHECK(json["strata"]["site"]["suppressed"] == std::vector<std::string>{"s1", "s2"});
    CHECK(json["strata"]["site"]["worst_first"].size() == 1);
}

TEST_CASE("a stratum of many samples of few patients is small") {
    EvaluateOptions options;
    options.bootstrap = 0;
    options.strata = {"site"};
    Predictions p = sites({40, 30, 40}, {4, 20, 0});
    for (std::size_t i = 0; i < 40; ++i) p.patient[i] = 1;  // one person at s0
    const auto json = report(p, options);
    CHECK(json["strata"]["site"]["suppressed"] == std::vector<std::string>{"s0", "s1"});
}

TEST_CASE("intervals are the same every time, hold the figure, and resample patients") {
    EvaluateOptions options;
    auto p = sites({60, 60}, {6, 12});
    const auto one = report(p, options), two = report(p, options);
    CHECK(one.dump() == two.dump());
    const auto interval = one["overall"]["interval95"]["accuracy"];
    CHECK(interval[0].get<double>() < 0.85);
    CHECK(interval[1].get<double>() > 0.85);
    for (auto& patient : p.patient) patient = 1;  // one patient only: every resampling is the whole
    const auto whole = report(p, options)["overall"];
    CHECK(whole["interval95"]["accuracy"][0] == whole["accuracy"]);
    CHECK(whole["interval95"]["accuracy"][1] == whole["accuracy"]);
}

TEST_CASE("no samples, or a positive class that is none, is an error") {
    CHECK_THROWS_AS(report(Predictions{}, {}), core::Error);
    EvaluateOptions options;
    options.positive = "malignant";
    CHECK_THROWS_WITH(report(example(), options), Catch::Contains("positive"));
    CHECK_THROWS_WITH(positive_class(options, {"a", "b", "malignant"}), Catch::Contains("two classes"));
}
