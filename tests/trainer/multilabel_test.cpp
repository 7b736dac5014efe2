// Figures of several labels, and what a report of them shows.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "core/base/error.h"
#include "trainer/eval/html.h"
#include "trainer/made_predictions.h"

using namespace trainer;
using Catch::Detail::Approx;

namespace {

// Patients at two sites of these sizes. Two labels; the second is known of the first `known` patients of each site only.
Predictions labels(const std::vector<int>& sizes, const std::vector<int>& known, int positives = 1000) {
    std::mt19937 random(5);
    Predictions p;
    p.task = "multilabel";
    p.classes = {"edema", "nodule"};
    Predictions::Stratum site{"site", {}, {}};
    for (std::size_t s = 0; s < sizes.size(); ++s) {
        site.values.push_back("s" + std::to_string(s));
        for (int i = 0; i < sizes[s]; ++i) {
            const bool edema = i % 2, nodule = i % 3 == 0 && positives-- > 0;
            p.truth.push_back(edema);
            p.truth.push_back(i < known[s] ? nodule : NAN);
            for (const bool truth : {edema, nodule})
                p.probability.push_back(static_cast<float>((random() % 100 + (truth ? 60 : 0)) / 160.0));
            p.patient.push_back(p.patient.size());
            site.code.push_back(static_cast<std::int32_t>(s));
        }
    }
    p.strata = {site};
    return p;
}

EvaluateOptions options() {
    EvaluateOptions out;
    out.score = "auroc";
    out.strata = {"site"};
    out.bootstrap = 30;
    return out;
}

std::vector<std::string> hidden_sites(const Predictions& p) {
    return report(p, options())["strata"]["site"]["suppressed"];
}

}  // namespace

TEST_CASE("a figure of all labels is the mean of each label's, among the samples in which it is known") {
    const Predictions p = labels({60, 60}, {60, 40});
    double sum = 0;
    for (std::size_t c = 0; c < 2; ++c) {
        Predictions one;
        one.classes = {"no", "yes"};
        for (std::size_t i = 0; i < p.samples(); ++i) {
            if (std::isnan(p.truth[2 * i + c])) continue;
            const float yes = p.probability[2 * i + c];
            one.label.push_back(p.truth[2 * i + c] > 0);
            one.probability.insert(one.probability.end(), {1 - yes, yes});
            one.patient.push_back(p.patient[i]);
        }
        sum += *made::measure(one, all_of(one), 1).auroc;
    }
    const auto json = report(p, options());
    CHECK(json["overall"]["auroc"].get<double>() == Approx(sum / 2).margin(1e-6));
    CHECK(json["overall"]["samples"] == 120);
    CHECK(json["per_label"]["worst_first"].size() == 2);
    CHECK(json["per_label"]["worst_first"][0]["auroc"] <= json["per_label"]["worst_first"][1]["auroc"]);
    CHECK(json["strata"]["site"]["worst_first"].size() == 2);
    CHECK(html_report(json).find("nodule") != std::string::npos);
}

TEST_CASE("labels that few patients have are not told, nor those that would tell them") {
    const auto json = report(labels({60, 60}, {60, 60}, 4), options());
    CHECK(json["per_label"]["worst_first"].empty());
    CHECK(json["per_label"]["suppressed"].size() == 2);
}

TEST_CASE("a label does not follow from a mean that others hidden with it are not in") {
    Predictions p = labels({120}, {120});  // of edema 60 have a yes
    Predictions three = p;
    three.classes = {"edema", "nodule", "rare"};
    three.truth.clear();
    three.probability.clear();
    for (std::size_t i = 0; i < 120; ++i) {
        three.truth.push_back(p.truth[2 * i]);
        three.truth.push_back(i < 9);                        // nine have one
        three.truth.push_back(i < 9 ? double(i % 2) : NAN);  // of nine it is known: in no mean
        three.probability.insert(three.probability.end(),
                                 {p.probability[2 * i], p.probability[2 * i + 1], 0.5F});
    }
    const auto json = report(three, options());
    CHECK_FALSE(json["overall"]["auroc"].is_null());
    CHECK(json["per_label"]["suppressed"].size() == 3);  // twice the mean less edema's were nodule's
}

TEST_CASE("where one label of few is all there is, its mean is not told") {
    Predictions p = labels({60, 60}, {60, 60}, 4);
    Predictions one = p;
    one.classes = {"nodule"};
    one.truth.clear();
    one.probability.clear();
    for (std::size_t i = 0; i < 120; ++i) {
        one.truth.push_back(p.truth[2 * i + 1]);
        one.probability.push_back(p.probability[2 * i + 1]);
    }
    const auto json = report(one, options());
    CHECK(json["overall"]["auroc"].is_null());
    CHECK(json["overall"]["interval95"]["loss"].is_null());
    CHECK(json["per_label"]["suppressed"].size() == 1);
    CHECK(made::kept_by(one, "auroc").has_value());
}

TEST_CASE("a site where a label is known of few patients is hidden, and those that would tell it") {
    CHECK(hidden_sites(labels({60, 60, 60}, {60, 60, 60})).empty());
    CHECK(hidden_sites(labels({60, 60, 60}, {60, 60, 0})).empty());  // none: its label is in no figure there
    const auto hidden = hidden_sites(labels({60, 60, 60}, {60, 50, 5}));
    CHECK(hidden.size() == 2);
    CHECK(std::find(hidden.begin(), hidden.end(), "s2") != hidden.end());
}

TEST_CASE("a patient whose samples disagree on a label has none there") {
    Predictions p = labels({60}, {60});
    for (std::size_t i = 0; i < p.samples(); ++i) p.patient[i] = i / 2;  // edema of one and not of the other
    const ByPatient persons = judge_flags().by_patient(p, all_of(p));
    REQUIRE(persons.predictions.samples() == 30);
    for (std::size_t i = 0; i < 30; ++i) CHECK(std::isnan(persons.predictions.truth[2 * i]));
}

TEST_CASE("what labels do not have is refused") {
    EvaluateOptions wrong = options();
    wrong.positive = "edema";
    CHECK_THROWS_AS(report(labels({60}, {60}), wrong), core::Error);
    wrong = options();
    wrong.score = "mae";
    CHECK_THROWS_WITH(report(labels({60}, {60}), wrong), Catch::Contains("\"auroc\""));
}
