// Figures of masks, and what a report of them shows.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <set>

#include "core/base/error.h"
#include "trainer/eval/html.h"
#include "trainer/eval/masks.h"
#include "trainer/made_predictions.h"

using namespace trainer;
using Catch::Detail::Approx;

namespace {

constexpr SurfaceFigures kClose{2, 0.9};  // where surfaces are not what is looked at
MaskFigures of_counts(std::int64_t are, std::int64_t said, std::int64_t both) {
    const bool is_one = are > 0 || said > 0;
    return mask_figures(are, said, both, is_one ? kClose : SurfaceFigures{NAN, NAN});
}

// Two samples of each patient, at two sites of so many patients. The liver is in every sample, the tumour in the first
// `tumours` patients of each site.
Predictions masks(const std::vector<int>& sizes, const std::vector<int>& tumours) {
    std::mt19937 random(5);
    Predictions p;
    p.task = "segmentation";
    p.classes = {"nothing", "liver", "tumour"};
    Predictions::Stratum site{"site", {}, {}};
    for (std::size_t s = 0; s < sizes.size(); ++s) {
        site.values.push_back("s" + std::to_string(s));
        for (int i = 0; i < 2 * sizes[s]; ++i) {
            for (const bool is_there : {true, i / 2 < tumours[s]}) {
                const std::int64_t are = is_there ? 50 + random() % 50 : 0,
                                   both = is_there ? are - random() % 25 : 0,
                                   said = is_there ? both + random() % 20 : 0;
                for (const double value : of_counts(are, said, both).all()) p.measured.push_back(value);
            }
            p.patient.push_back(1000 * s + static_cast<std::size_t>(i) / 2);
            site.code.push_back(static_cast<std::int32_t>(s));
        }
    }
    p.strata = {site};
    return p;
}

EvaluateOptions options() {
    EvaluateOptions out;
    out.score = "dice";
    out.strata = {"site"};
    out.bootstrap = 30;
    return out;
}

double& figure(Predictions& p, std::size_t sample, std::size_t c, std::size_t place) {
    return p.measured[(sample * (p.classes.size() - 1) + c) * MaskFigures::kCount + place];
}

}  // namespace

TEST_CASE("a mask's figures are shares of its pixels") {
    // By hand, pixel by pixel.
    std::mt19937 random(3);
    for (int round = 0; round < 20; ++round) {
        std::int64_t are = 0, said = 0, both = 0;
        double hit = 0, missed = 0, wrong = 0;
        for (int i = 0; i < 40; ++i) {
            const bool is = random() % 3 == 0, is_said = random() % 4 == 0;
            are += is;
            said += is_said;
            both += is && is_said;
            hit += is && is_said;
            missed += is && !is_said;
            wrong += !is && is_said;
        }
        const MaskFigures f = of_counts(are, said, both);
        CHECK(f.pixels == hit + missed);
        CHECK(f.dice == Approx(2 * hit / (2 * hit + missed + wrong)));
        CHECK(f.sensitivity == Approx(hit / (hit + missed)));
        CHECK(f.precision == Approx(hit / (hit + wrong)));
    }
    CHECK(std::isnan(of_counts(0, 0, 0).dice));
    CHECK(of_counts(0, 7, 0).dice == 0);
    CHECK(std::isnan(of_counts(0, 7, 0).sensitivity));
    CHECK(of_counts(7, 0, 0).dice == 0);
    CHECK(std::isnan(of_counts(7, 0, 0).precision));
}

TEST_CASE("Dice is the mean over classes of the mean over samples where one is there or said") {
    Predictions p = masks({30, 30}, {20, 20});
    const auto json = report(p, options());
    double means = 0, by_patient = 0;
    for (std::size_t c = 0; c < 2; ++c) {
        double sum = 0, count = 0;
        std::map<std::uint64_t, std::vector<double>> patients;
        for (std::size_t i = 0; i < p.samples(); ++i)
            if (const double value = figure(p, i, c, 1); !std::isnan(value)) {
                sum += value;
                ++count;
                patients[p.patient[i]].push_back(value);
            }
        CHECK(count == (c == 0 ? 120 : 80));
        means += sum / count / 2;
        double of_patients = 0;
        for (const auto& [patient, values] : patients)
            of_patients +=
                std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
        by_patient += of_patients / static_cast<double>(patients.size()) / 2;
    }
    CHECK(json["overall"]["dice"].get<double>() == Approx(means).margin(0.0006));
    CHECK(json["overall"]["per_patient"]["dice"].get<double>() == Approx(by_patient).margin(0.0006));
    CHECK(json["overall"]["samples"] == 120);
    CHECK(json["overall"]["interval95"]["dice"][0] <= json["overall"]["dice"]);
    CHECK(json["task"] == "segmentation");
    CHECK(json["patients"] == 60);
    const auto& classes = json["per_class"]["worst_first"];
    REQUIRE(classes.size() == 2);
    CHECK(classes[0]["dice"] <= classes[1]["dice"]);
    CHECK((classes[0]["dice"].get<double>() + classes[1]["dice"].get<double>()) / 2 ==
          Approx(means).margin(0.001));
    CHECK(json["strata"]["site"]["worst_first"].size() == 2);
    CHECK(json["strata"]["site"]["worst_first"][0]["gap"]["p"].is_number());
    CHECK(html_report(json).find("tumour") != std::string::npos);
    CHECK(made::kept_by(p, "dice") == Approx(means));
}

TEST_CASE("a class that few patients have enters no mean and is not told") {
    Predictions p = masks({30, 30}, {4, 5});
    const auto json = report(p, options());
    CHECK(json["per_class"]["suppressed"] == std::vector<std::string>{"tumour"});
    REQUIRE(json["per_class"]["worst_first"].size() == 1);
    CHECK(json["overall"]["dice"] == json["per_class"]["worst_first"][0]["dice"]);
    CHECK(json["strata"]["site"]["suppressed"].empty());
}

TEST_CASE("a site where few patients have a class is hidden, and those that would tell it") {
    CHECK(report(masks({30, 30, 30}, {20, 20, 20}), options())["strata"]["site"]["suppressed"].empty());
    const auto hidden = report(masks({30, 30, 30}, {20, 20, 4}), options())["strata"]["site"]["suppressed"];
    CHECK(std::find(hidden.begin(), hidden.end(), "s2") != hidden.end());
    CHECK(hidden.size() >= 2);  // the whole less the others
}

TEST_CASE("a site where few have a class is hidden also where it is said of others") {
    Predictions p = masks({30, 30, 30}, {20, 20, 4});
    for (std::size_t i = 0; i < p.samples(); ++i)
        if (figure(p, i, 1, 0) == 0) {
            const auto wrong = of_counts(0, 5, 0).all();
            for (std::size_t k = 0; k < wrong.size(); ++k) figure(p, i, 1, k) = wrong[k];
        }
    const auto hidden = report(p, options())["strata"]["site"]["suppressed"];
    CHECK(std::find(hidden.begin(), hidden.end(), "s2") != hidden.end());
}

TEST_CASE("a figure that few patients have is not told, though enough have the class") {
    // Of those of the last site the tumour is found in three patients: of all others it has no precision.
    const auto found_in_three = [](const std::vector<int>& sizes, const std::vector<int>& tumours) {
        Predictions p = masks(sizes, tumours);
        const auto last = static_cast<std::int32_t>(sizes.size()) - 1;
        std::set<std::uint64_t> found;
        for (std::size_t i = 0; i < p.samples(); ++i) {
            if (p.strata[0].code[i] != last || figure(p, i, 1, 0) == 0) continue;
            if (found.size() < 3) found.insert(p.patient[i]);
            const auto part = static_cast<std::int64_t>(found.size());
            const auto of =
                (found.contains(p.patient[i]) ? of_counts(100, 100 + part, 50 + part) : of_counts(100, 0, 0))
                    .all();
            for (std::size_t k = 0; k < of.size(); ++k) figure(p, i, 1, k) = of[k];
        }
        return p;
    };
    const auto whole = report(found_in_three({30}, {15}), options());
    CHECK(whole["per_class"]["suppressed"] == std::vector<std::string>{"tumour"});
    CHECK(whole["overall"]["precision"].is_null());
    CHECK(whole["overall"]["interval95"]["precision"].is_null());
    CHECK(whole["overall"]["per_patient"]["precision"].is_null());
    CHECK(made::kept_by(found_in_three({30}, {15}), "dice").has_value());
    const auto hidden =
        report(found_in_three({30, 30, 30}, {20, 20, 15}), options())["strata"]["site"]["suppressed"];
    CHECK(std::find(hidden.begin(), hidden.end(), "s2") != hidden.end());
    CHECK(hidden.size() >= 2);  // the whole less the others
}

TEST_CASE("the error of a gap is of every class that enters the mean") {
    EvaluateOptions of_three = options();
    of_three.min_stratum = 3;
    const auto json = report(masks({30, 30}, {4, 4}), of_three);
    REQUIRE(json["per_class"]["worst_first"].size() == 2);
    for (const auto& site : json["strata"]["site"]["worst_first"]) {
        CHECK(site["gap"]["score"].is_number());
        CHECK(site["gap"]["p"].is_null());
    }
}

TEST_CASE("there is no gap between means of different classes") {
    const auto json = report(masks({30, 30, 30}, {20, 20, 0}), options());
    const auto& sites = json["strata"]["site"]["worst_first"];
    REQUIRE(sites.size() == 3);
    for (const auto& site : sites) {
        CHECK(site["dice"].is_number());
        CHECK(site["gap"].is_null() == (site["value"] == "s2"));
    }
}

TEST_CASE("what is hidden is not said to be of few patients") {
    Predictions p = masks({30, 30}, {20, 20});
    for (std::size_t c = 0; c < 2; ++c)
        for (std::size_t k = 0; k < MaskFigures::kCount; ++k) figure(p, 3, c, k) = NAN;
    const std::string page = html_report(report(p, options()));
    CHECK(page.find("2 that may not be shown") != std::string::npos);
    CHECK(page.find("too few patients to be shown") == std::string::npos);
}

TEST_CASE("where one patient makes most of what lacks to 1, nothing is told of the set") {
    Predictions p = masks({30, 30}, {20, 20});
    for (std::size_t i = 0; i < p.samples(); ++i)
        for (std::size_t k = 1; k < MaskFigures::kCount; ++k) figure(p, i, 0, k) = 1;
    CHECK_FALSE(report(p, options())["overall"]["dice"].is_null());  // nobody's
    figure(p, 0, 0, 1) = 0.4;
    figure(p, 9, 0, 1) = 0.95;
    const auto json = report(p, options());
    CHECK(json["overall"]["dice"].is_null());
    CHECK(json["overall"]["interval95"]["dice"].is_null());
    CHECK(json["per_class"]["suppressed"] == std::vector<std::string>{"liver"});
    const auto hidden = json["strata"]["site"]["suppressed"];
    CHECK(std::find(hidden.begin(), hidden.end(), "s0") != hidden.end());
    CHECK(made::kept_by(p, "dice").has_value());  // weights are kept all the same
}

TEST_CASE("of few patients weights are kept, and nothing is told") {
    const Predictions p = masks({6}, {6});
    CHECK(made::kept_by(p, "dice").has_value());
    const auto json = report(p, options());
    CHECK(json["overall"]["dice"].is_null());
    CHECK(json["per_class"]["suppressed"].size() == 2);
}

TEST_CASE("a sample without scores leaves its sets without figures, and such weights are not kept") {
    Predictions p = masks({30, 30}, {20, 20});
    for (std::size_t c = 0; c < 2; ++c)
        for (std::size_t k = 0; k < MaskFigures::kCount; ++k) figure(p, 3, c, k) = NAN;
    const auto json = report(p, options());
    CHECK(json["overall"]["without_score"] == 1);
    CHECK(json["overall"]["dice"].is_null());
    CHECK_FALSE(json["overall"].contains("per_patient"));  // one patient has a sample less
    CHECK_FALSE(made::kept_by(p, "dice").has_value());
}

TEST_CASE("what masks do not have is refused") {
    EvaluateOptions with = options();
    with.positive = "tumour";
    CHECK_THROWS_AS(report(masks({30}, {20}), with), core::Error);
    with = options();
    with.score = "auroc";
    CHECK_THROWS_AS(report(masks({30}, {20}), with), core::Error);
}

TEST_CASE("distances are told as Dice is, in their unit") {
    Predictions p = masks({30, 30}, {20, 20});
    p.distance_unit = "mm";
    std::mt19937 random(11);
    double means = 0;
    for (std::size_t c = 0; c < 2; ++c) {
        double sum = 0, count = 0;
        for (std::size_t i = 0; i < p.samples(); ++i) {
            if (std::isnan(figure(p, i, c, 1))) continue;
            figure(p, i, c, 4) = 1 + static_cast<double>(random() % 100) / 20;
            figure(p, i, c, 5) = 0.5 + static_cast<double>(random() % 100) / 250;
            sum += figure(p, i, c, 4);
            ++count;
        }
        means += sum / count / 2;
    }
    EvaluateOptions by = options();
    by.score = "hd95";
    const auto json = report(p, by);
    CHECK(json["distance_unit"] == "mm");
    CHECK(json["surface_tolerance"] == 1);
    CHECK(json["overall"]["hd95"].get<double>() == Approx(means).epsilon(0.005));
    CHECK(json["overall"]["surface_dice"].is_number());
    CHECK(json["overall"]["per_patient"]["hd95"].is_number());
    for (const auto& each : json["per_class"]["worst_first"]) CHECK(each["hd95"].is_number());
    const auto& sites = json["strata"]["site"]["worst_first"];
    REQUIRE(sites.size() == 2);
    CHECK(sites[0]["hd95"] >= sites[1]["hd95"]);  // farther is worse
    CHECK(sites[0]["gap"]["score"].get<double>() >= 0);
    CHECK(made::kept_by(p, "hd95") == Approx(-means));
    CHECK(html_report(json).find("hd95") != std::string::npos);
}

TEST_CASE("a patient who is far off takes the distances away, and not Dice") {
    Predictions p = masks({30, 30}, {20, 20});
    for (std::size_t i = 0; i < 2; ++i) figure(p, i, 0, 4) = 900;  // the first patient of the first site
    const auto json = report(p, options());
    CHECK(json["overall"]["dice"].is_number());
    CHECK(json["overall"]["hd95"].is_null());
    CHECK(json["overall"]["interval95"]["hd95"].is_null());
    CHECK(json["overall"]["per_patient"]["hd95"].is_null());
    CHECK(json["overall"]["surface_dice"].is_number());
    for (const auto& each : json["per_class"]["worst_first"])
        CHECK(each["hd95"].is_null() == (each["value"] == "liver"));
    REQUIRE(json["strata"]["site"]["worst_first"].size() ==
            2);  // where all of the others is told, his would follow
    for (const auto& site : json["strata"]["site"]["worst_first"]) {
        CHECK(site["hd95"].is_null());
        CHECK(site["interval95"]["hd95"].is_null());
        CHECK(site["per_patient"]["hd95"].is_null());
        CHECK(site["surface_dice"].is_number());
    }
}

TEST_CASE("what a site's distances would tell with those of the others and the whole is not told either") {
    Predictions p = masks({60, 60, 12}, {50, 50, 11});
    std::mt19937 random(3);
    for (std::size_t i = 0; i < p.samples(); ++i)  // all are far off, and in the last site one alone
        for (std::size_t c = 0; c < 2; ++c)
            if (!std::isnan(figure(p, i, c, 4)))
                figure(p, i, c, 4) = p.strata[0].code[i] == 2 ? 0.1 : 40 + random() % 20;
    for (std::size_t i = 0; i < p.samples(); ++i)
        if (p.strata[0].code[i] == 2 && p.patient[i] == 2000) figure(p, i, 0, 4) = 50;
    const auto json = report(p, options());
    CHECK(json["overall"]["hd95"].is_number());
    REQUIRE(json["strata"]["site"]["suppressed"].empty());
    for (const auto& site : json["strata"]["site"]["worst_first"]) {
        CHECK(site["dice"].is_number());
        CHECK(site["hd95"].is_null());
    }
}

TEST_CASE("what both kinds of means would tell of one patient, that of patients leaves out") {
    const auto with_samples = [](const std::vector<std::size_t>& counts) {  // of each patient
        std::mt19937 random(7);
        Predictions p = masks({30}, {20}), out;
        out.task = p.task;
        out.classes = p.classes;
        out.strata = {{"site", {"s0"}, {}}};
        for (std::size_t patient = 0; patient < counts.size(); ++patient)
            for (std::size_t i = 0; i < counts[patient]; ++i) {
                for (int c = 0; c < 2; ++c)
                    for (const double value : of_counts(60, 60 - static_cast<std::int64_t>(random() % 9),
                                                        40 + static_cast<std::int64_t>(random() % 9))
                                                  .all())
                        out.measured.push_back(value);
                out.patient.push_back(patient);
                out.strata[0].code.push_back(0);
            }
        return out;
    };
    std::vector<std::size_t> counts(30, 1);
    counts[0] = 5;  // S N - P n is four times this one's mean
    const auto alone = report(with_samples(counts), options());
    CHECK(alone["overall"]["dice"].is_number());
    CHECK(alone["overall"]["hd95"].is_number());
    CHECK_FALSE(alone["overall"].contains("per_patient"));
    for (std::size_t i = 0; i < 12; ++i) counts[i] = 5;
    CHECK(report(with_samples(counts), options())["overall"]["per_patient"]["dice"].is_number());
    counts.assign(30, 5);
    counts[0] = 1;
    CHECK_FALSE(report(with_samples(counts), options())["overall"].contains("per_patient"));
}

TEST_CASE("where all but one are missed, the distance of the one who is found is not told") {
    Predictions p = masks({30, 30}, {20, 20});
    for (std::size_t i = 0; i < p.samples(); ++i) figure(p, i, 0, 4) = i < 2 ? 3 : 100;
    const auto json = report(p, options());
    CHECK(json["overall"]["dice"].is_number());
    CHECK(json["overall"]["hd95"].is_null());
    CHECK(json["overall"]["per_patient"]["hd95"].is_null());
}
