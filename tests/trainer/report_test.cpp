#include "trainer/eval/report.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "core/base/error.h"
#include "trainer/eval/html.h"
#include "trainer/eval/statistics.h"
#include "trainer/made_predictions.h"

using namespace trainer;
using Catch::Detail::Approx;
using made::example;
using made::sites;

TEST_CASE("the figures of a class of few patients are not told, nor those that would tell them") {
    EvaluateOptions options;
    options.bootstrap = 0;
    Predictions p;
    p.classes = {"a", "b", "c", "d"};
    const std::vector<int> patients{30, 4, 25, 12};
    for (int c = 0; c < 4; ++c)
        for (int i = 0; i < patients[static_cast<std::size_t>(c)]; ++i) {
            p.label.push_back(c);
            for (int k = 0; k < 4; ++k) p.probability.push_back(k == (i % 3 ? c : 0) ? 0.7F : 0.1F);
            p.patient.push_back(p.patient.size());
        }
    const auto of = report(p, options)["per_class"];
    CHECK(of["suppressed"] == std::vector<std::string>{"b", "d"});  // d: the whole less a and c would tell b
    REQUIRE(of["worst_first"].size() == 2);
    CHECK(of["worst_first"][0]["f1"] <= of["worst_first"][1]["f1"]);
    for (const auto& each : of["worst_first"]) CHECK_FALSE((each["value"] == "b" || each["value"] == "d"));
    options.min_stratum = 1;
    CHECK(report(p, options)["per_class"]["suppressed"].empty());
}

TEST_CASE("each row of the calibration curve is of enough patients, and together they are the whole") {
    EvaluateOptions options;
    options.bootstrap = 0;
    Predictions p;
    p.classes = {"a", "b"};
    std::mt19937 random(7);
    for (int i = 0; i < 300; ++i) {
        const float b = static_cast<float>(random() % 1000) / 1000;
        p.label.push_back(static_cast<float>(random() % 1000) < 1000 * b);
        p.probability.insert(p.probability.end(), {1 - b, b});
        p.patient.push_back(static_cast<std::uint64_t>(i / 5));  // 60 of them
    }
    for (const std::int64_t least : {1, 10, 25, 61}) {
        options.min_stratum = least;
        const auto curve = report(p, options)["calibration"]["curve"];
        if (least == 1) CHECK(curve.size() == 15);
        double samples = 0, predicted = 0, observed = 0;
        for (std::size_t row = 0; row < curve.size(); ++row) {
            const double low = curve[row]["threshold"],
                         high = row + 1 < curve.size() ? curve[row + 1]["threshold"].get<double>() : 1.1;
            std::set<std::uint64_t> patients;
            std::int64_t count = 0;
            for (std::size_t i = 0; i < p.samples(); ++i)
                if (const double b = static_cast<double>(p.probability[2 * i + 1]); b >= low && b < high) {
                    patients.insert(p.patient[i]);
                    ++count;
                }
            CHECK((static_cast<std::int64_t>(patients.size()) >= least || curve.size() == 1));
            if (count >= 10)
                CHECK(curve[row]["samples"] ==
                      (count + 5) / 10 * 10);  // two models' rows differ by no small number
            else
                CHECK(curve[row]["samples"].is_null());
            samples += static_cast<double>(count);
            predicted += static_cast<double>(count) * curve[row]["probability"].get<double>();
            observed += static_cast<double>(count) * curve[row]["share"].get<double>();
        }
        CHECK(samples == 300);
        double said = 0;
        for (std::size_t i = 0; i < p.samples(); ++i) said += static_cast<double>(p.probability[2 * i + 1]);
        CHECK(predicted == Approx(said).margin(1e-3));
        CHECK(observed == Approx(std::count(p.label.begin(), p.label.end(), 1)).margin(1e-3));
    }
}

TEST_CASE("a patient's samples count once, by the mean of what was said of them") {
    EvaluateOptions options;
    options.bootstrap = 10;
    options.min_stratum = 1;
    CHECK_FALSE(report(example(), options)["overall"].contains("per_patient"));  // they are their samples
    Predictions p = example();
    p.patient = {1, 1, 2, 3};
    p.probability = {0.9F, 0.1F, 0.05F, 0.95F,
                     0.8F, 0.2F, 0.3F,  0.7F};  // the first of b is missed, their mean is not
    const auto overall = report(p, options)["overall"];
    CHECK(overall["accuracy"] == 0.5);
    CHECK(overall["per_patient"]["accuracy"] == Approx(2.0 / 3).margin(1e-6));
    CHECK(overall["per_patient"]["sensitivity"] == 1.0);
    CHECK(overall["per_patient"]["loss"] ==
          Approx(-(std::log((0.1 + 0.95) / 2) + std::log(0.8) + std::log(0.3)) / 3).margin(1e-5));
    CHECK_FALSE(overall["per_patient"].contains("without_agreement"));
    CHECK(overall["per_patient"]["interval95"]["accuracy"].size() == 2);
    p.patient = {1, 1, 1, 3};  // one of whom labels disagree: only the last is left
    const auto mixed = report(p, options)["overall"]["per_patient"];
    CHECK(mixed["accuracy"] == 0);
    CHECK(mixed["without_agreement"].is_null());  // how many: fewer than ten
    CHECK_FALSE(mixed.contains("samples"));
    options.min_stratum = 2;  // there are two, and one is left
    CHECK_FALSE(report(p, options)["overall"].contains("per_patient"));
    options.min_stratum = 1;
    p.patient = {1, 1, 1, 1};
    CHECK_FALSE(report(p, options)["overall"].contains("per_patient"));
}

TEST_CASE("points are chosen on the validation split and applied to the other") {
    EvaluateOptions options;
    options.bootstrap = 20;
    options.points = {parse_point("0.65"), parse_point("sensitivity >= 0.75"), parse_point("specificity>=1")};
    Predictions validation;
    validation.classes = {"a", "b"};
    for (const auto& [label, b] : std::vector<std::pair<int, float>>{
             {1, 0.9F}, {1, 0.7F}, {1, 0.4567F}, {1, 0.1F}, {0, 0.05F}, {0, 0.6123F}, {0, 0.2F}}) {
        validation.label.push_back(label);
        validation.probability.insert(validation.probability.end(), {1 - b, b});
        validation.patient.push_back(validation.patient.size());
    }
    const auto points = report(example(), options, &validation)["overall"]["points"];
    CHECK(points[0]["threshold"] == 0.65);
    CHECK(points[1]["threshold"] == 0.456);  // in steps of a thousandth: the third of four is found
    CHECK(points[2]["threshold"] == 0.613);  // and the least that lets no negative through
    CHECK(points[0]["sensitivity"] == 0.5);  // 0.9 of 0.9 and 0.6
    CHECK(points[0]["specificity"] == 0.5);  // 0.2 of 0.2 and 0.7
    CHECK(points[1]["sensitivity"] == 1.0);
    CHECK(points[1]["interval95"]["sensitivity"].size() == 2);
    const auto without = report(example(), options)["overall"]["points"];
    CHECK(without[0]["threshold"] == 0.65);
    CHECK(without[1]["threshold"].is_null());
    CHECK(without[1]["sensitivity"].is_null());
    options.positive = "a";
    CHECK(report(example(), options, &validation)["overall"]["points"][0]["sensitivity"] == 0.5);
    for (const char* wrong :
         {"1.5", "sensitivity > 0.9", "recall >= 0.9", "", "0.5x", "0.5001", "sensitivity >= 1.2"})
        CHECK_THROWS_AS(parse_point(wrong), core::Error);
    for (const char* point : {"0.65", "sensitivity >= 0.75"}) CHECK(to_text(parse_point(point)) == point);
    CHECK_THROWS_WITH(positive_class(options, {"a", "b", "c"}), Catch::Contains("two classes"));
}

TEST_CASE("a temperature undoes what made a model too sure, is told, and changes no other figure") {
    std::mt19937 random(11);
    Predictions calm;
    calm.classes = {"a", "b", "c"};
    for (int i = 0; i < 3000; ++i) {
        double p[3], sum = 0;
        for (double& each : p) sum += each = 1 + static_cast<double>(random() % 1000);
        double left = static_cast<double>(random() % 100000) / 100000 * sum;
        int label = 0;
        while (label < 2 && left >= p[label]) left -= p[label++];
        calm.label.push_back(label);
        for (const double each : p) calm.probability.push_back(static_cast<float>(each / sum));
        calm.patient.push_back(static_cast<std::uint64_t>(i));
    }
    CHECK(*fit_temperature(calm) == Approx(1).margin(0.1));
    const Predictions sure = scaled(calm, 0.4);  // as if logits were 2.5 times too large
    CHECK(*fit_temperature(sure) == Approx(2.5).epsilon(0.1));
    EvaluateOptions options;
    options.bootstrap = 0;
    auto with = report(sure, options, &sure), without = report(sure, options);
    const auto temperature = with["calibration"]["temperature"];
    CHECK(temperature["temperature"] == Approx(*fit_temperature(sure)).margin(1e-6));
    CHECK(temperature["loss"].get<double>() < with["overall"]["loss"].get<double>());
    CHECK(temperature["ece"].get<double>() < with["overall"]["ece"].get<double>() / 2);
    with["calibration"].erase("temperature");
    CHECK(with == without);
    CHECK_FALSE(fit_temperature(Predictions{}).has_value());
    Predictions bad = calm;
    bad.probability[0] = NAN;
    CHECK_FALSE(fit_temperature(bad).has_value());
}

TEST_CASE("a gap is that to the rest, and told as found only where it is there") {
    EvaluateOptions options;
    options.strata = {"site"};
    const auto shown = report(sites({100, 60, 60}, {40, 3, 3}), options)["strata"]["site"]["worst_first"];
    REQUIRE(shown[0]["value"] == "s0");
    CHECK(shown[0]["gap"]["score"] == Approx(0.6 - 0.95).margin(1e-6));
    CHECK(shown[0]["gap"]["interval95"]["score"][1].get<double>() < -0.2);
    CHECK(shown[0]["gap"]["p"].get<double>() < 1e-4);
    int found = 0, tests = 0;
    for (unsigned seed = 0; seed < 40;
         ++seed) {  // four sites of equal quality: a false find in few of the worlds
        std::mt19937 random(seed);
        std::vector<int> wrong;
        for (int s = 0; s < 4; ++s) {
            int errors = 0;
            for (int i = 0; i < 50; ++i) errors += random() % 10 < 2;
            wrong.push_back(errors);
        }
        bool any = false;
        const auto same = report(sites({50, 50, 50, 50}, wrong), options)["strata"]["site"]["worst_first"];
        for (const auto& each : same) {
            any = any || each["gap"]["p"].get<double>() < 0.05;
            ++tests;
        }
        found += any;
    }
    CHECK(tests == 160);
    CHECK(found <= 6);
    // Few patients, all of them right: resampling shows no error there, so that no error is told.
    for (const auto& [sizes, wrong] : std::vector<std::pair<std::vector<int>, std::vector<int>>>{
             {{12, 300}, {0, 30}}, {{30, 300}, {0, 30}}}) {
        const auto json = report(sites(sizes, wrong), options);
        for (const auto& each : json["strata"]["site"]["worst_first"]) CHECK(each["gap"]["p"].is_null());
        CHECK(where_it_fails(json).starts_with("No stratum is proven"));
    }
    // One site only has no rest; a rest that is too small is none.
    CHECK(report(sites({40}, {4}), options)["strata"]["site"]["worst_first"][0]["gap"].is_null());
}

TEST_CASE("strata stand in the order of the score that was asked for, those without one last") {
    EvaluateOptions options;
    options.bootstrap = 0;
    options.strata = {"site"};
    Predictions p = sites({40, 40, 40}, {20, 4, 10});
    for (std::size_t i = 0; i < 40; ++i) p.label[i] = 1;  // s0: no negatives, no AUROC
    for (const Score& score : scores()) {
        options.score = std::string(score.name);
        const auto json = report(p, options);
        CHECK(json["score"] == options.score);
        const auto& shown = json["strata"]["site"]["worst_first"];
        REQUIRE(shown.size() == 3);
        for (std::size_t i = 1; i < 3; ++i) {
            if (shown[i][options.score].is_null()) continue;
            const double before = shown[i - 1][options.score], here = shown[i][options.score];
            CHECK((score.is_more_better ? before <= here : before >= here));
        }
        if (options.score == "auroc") CHECK(shown[2]["value"] == "s0");
    }
}

TEST_CASE("no figure of a stratum that is shown depends on which samples are of one that is not") {
    EvaluateOptions options;
    options.bootstrap = 10;
    options.strata = {"site"};
    Predictions p = sites({40, 40, 16, 24, 60}, {4, 20, 8, 0, 3});
    for (std::size_t i = 0; i < p.samples(); ++i) p.patient[i] = i / 2;  // 8 at s2: hidden, and s3 with it
    Predictions other = p;
    for (std::size_t i = 80; i < 120; ++i) other.strata[0].code[i] = i < 104 ? 3 : 2;
    auto one = report(p, options), two = report(other, options);
    CHECK(one["strata"]["site"]["suppressed"] == std::vector<std::string>{"s2", "s3"});
    CHECK(one["strata"]["site"]["worst_first"].size() == 3);
    CHECK(one == two);
    other = p;
    std::swap(other.label[81], other.label[0]);  // there is something to see
    CHECK(report(other, options) != one);
}

TEST_CASE("the page for people says first where the model fails, and no name in it is markup") {
    EvaluateOptions options;
    options.strata = {"site"};
    Predictions p = sites({100, 60, 60, 4, 20}, {40, 3, 3, 0, 1});
    p.strata[0].values[0] = "<script>alert('&\"')</script>";
    const std::string page = html_report(report(p, options));
    const auto first = page.substr(page.find("<body>"), 400);
    CHECK(first.find("The model fails most at site: &lt;script&gt;") != std::string::npos);
    CHECK(first.find("0.600") != std::string::npos);
    CHECK(first.find("p adjusted &lt; 0.001") != std::string::npos);
    CHECK(page.find("Of 2 strata nothing can be said") != std::string::npos);
    for (const char* word : {"<script", "http-equiv=\"refresh", "src=", "href=", "@import", "url("})
        CHECK(page.find(word) == std::string::npos);
    CHECK(page.find("flips") == std::string::npos);
    auto flipped = report(p, options);
    flipped["flips"] = {"x", "y"};
    CHECK(html_report(flipped).find("over flips of a sample along x, y.") != std::string::npos);
    const auto line = [&](const Predictions& of) { return where_it_fails(report(of, options)); };
    CHECK(line(sites({60, 60}, {6, 6})).starts_with("No stratum that is shown is worse"));
    CHECK(line(sites({60, 60}, {7, 6})).starts_with("No stratum is proven to be worse"));
    CHECK(line(sites({5, 7}, {1, 6})).starts_with("Where the model fails is not known"));
    CHECK(line(sites({100, 60, 300}, {40, 24, 10})).find("; 1 more is worse than the rest.") !=
          std::string::npos);
    CHECK(line(sites({100, 60, 60, 300}, {40, 24, 24, 3})).find("; 2 more are worse") != std::string::npos);
    options.score = "brier";  // less is better
    CHECK(line(sites({100, 60, 60}, {40, 3, 3})).starts_with("The model fails most at site: s0"));
    options.bootstrap = 0;  // nothing is tested
    CHECK(line(sites({100, 60, 60}, {40, 3, 3})).starts_with("No stratum is proven"));
    options.strata = {};
    CHECK(line(sites({60, 60}, {6, 6})).starts_with("Where the model fails is not known"));
}
