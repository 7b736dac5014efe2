#include "trainer/eval/curves.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "trainer/eval/html.h"
#include "trainer/made_predictions.h"

using namespace trainer;
using Catch::Detail::Approx;

namespace {

// `patients`, 1 to 3 samples each; scores are as the class the more, the greater `skill` is. `steps`: how many scores there are.
std::vector<CurveSample> world(unsigned seed, int patients, int skill, int steps) {
    std::mt19937 random(seed);
    const auto below = [&](int end) { return static_cast<int>(random() % static_cast<unsigned>(end)); };
    std::vector<CurveSample> out;
    for (int patient = 0; patient < patients; ++patient)
        for (int i = below(3); i >= 0; --i) {
            const bool is_positive = below(10) < 3;
            int score = below(steps);
            for (int k = 0; k < skill; ++k)
                score = is_positive ? std::max(score, below(steps)) : std::min(score, below(steps));
            const auto p = static_cast<float>((score + 0.5) / steps);
            out.push_back({p, is_positive, static_cast<std::uint64_t>(patient), p > 0.5F});
        }
    return out;
}

struct Counted {
    double positives = 0, negatives = 0;
    std::set<std::uint64_t> with, without;
};
Counted between(const std::vector<CurveSample>& samples, double low, double high) {
    Counted out;
    for (const CurveSample& each : samples) {
        if (each.probability < static_cast<float>(low) || each.probability >= static_cast<float>(high))
            continue;
        ++(each.is_positive ? out.positives : out.negatives);
        (each.is_positive ? out.with : out.without).insert(each.patient);
    }
    return out;
}
bool is_safe(const Counted& part, std::int64_t least) {
    const auto is_enough = [&](const auto& patients) {
        return patients.empty() || std::ssize(patients) >= least;
    };
    return part.positives + part.negatives > 0 && is_enough(part.with) && is_enough(part.without);
}

std::vector<Curve> curves(const std::vector<std::vector<CurveSample>>& all, std::int64_t least) {
    std::vector<CurveCells> cells;
    for (const auto& each : all)
        cells.push_back(curve_cells("c" + std::to_string(cells.size()), each, least));
    return curves_of(cells);
}
std::vector<CurvePoint> curve_points(const std::vector<CurveSample>& samples, std::int64_t least) {
    return curves({samples}, least).at(0).points;
}
// The ends of all parts that these curves, and what is told beside them, cut `samples` into.
void check_parts(const std::vector<CurveSample>& samples, const std::set<double>& cuts, std::int64_t least) {
    std::map<std::pair<double, int>, Counted> parts;  // by the cut below and what is told
    std::map<int, Counted> told;
    const auto add = [](Counted& to, const CurveSample& each) {
        ++(each.is_positive ? to.positives : to.negatives);
        (each.is_positive ? to.with : to.without).insert(each.patient);
    };
    for (const CurveSample& each : samples) {
        double low = 0;
        for (const double cut : cuts)
            if (each.probability >= static_cast<float>(cut)) low = std::max(low, cut);
        add(parts[{low, each.told}], each);
        add(told[each.told], each);
    }
    for (const auto& [key, part] : parts) {
        const Counted& all = told[key.second];
        CHECK((part.with.empty() || std::ssize(part.with) >= least || part.positives == all.positives));
        CHECK((part.without.empty() || std::ssize(part.without) >= least || part.negatives == all.negatives));
    }
}
std::set<double> cuts_of(const std::vector<CurvePoint>& points) {
    std::set<double> out;
    for (const CurvePoint& each : points) out.insert(each.threshold);
    return out;
}

}  // namespace

TEST_CASE(
    "points of a curve are the shares above their thresholds, and no small count lies between two of them") {
    std::size_t drawn = 0, none = 0;
    for (unsigned seed = 0; seed < 60; ++seed) {
        const std::int64_t least = seed % 3 ? 10 : 4;
        const auto samples =
            world(seed, 20 + 15 * static_cast<int>(seed % 20), static_cast<int>(seed % 5), 997);
        const Counted all = between(samples, 0, 2);
        const auto points = curve_points(samples, least);
        none += points.empty();
        drawn += points.size();
        if (points.empty()) continue;
        CHECK(points.size() > 1);
        CHECK(points.back().threshold == 0);
        check_parts(samples, cuts_of(points), least);
        double above = 2;
        for (const CurvePoint& each : points) {
            CHECK(each.threshold < above);
            CHECK(is_safe(between(samples, each.threshold, above), least));
            above = each.threshold;
            const Counted yes = between(samples, each.threshold, 2);
            CHECK(each.sensitivity == Approx(yes.positives / all.positives));
            CHECK(each.specificity == Approx(1 - yes.negatives / all.negatives));
            CHECK(each.precision == Approx(yes.positives / (yes.positives + yes.negatives)));
        }
    }
    CHECK(drawn > 200);
    CHECK(none > 2);
}

TEST_CASE("a curve has as many points as it may have") {
    constexpr int kSteps = 20;  // scores of 0.025, 0.075, ..., a threshold between any two of them
    for (unsigned seed = 0; seed < 40; ++seed) {
        const auto samples = world(seed, 40 + 5 * static_cast<int>(seed), static_cast<int>(seed % 4), kSteps);
        const auto in = [&](int first, int end) {
            return between(samples, first / static_cast<double>(kSteps), end / static_cast<double>(kSteps));
        };
        const Counted sides[] = {in(0, kSteps / 2), in(kSteps / 2, kSteps)};  // as the confusion cuts
        const auto may_be_told = [&](int first, int end) {
            const auto is_told = [](const auto& patients, double count, double all) {
                return patients.empty() || patients.size() >= 10 || count == all;
            };
            const Counted part = in(first, end);
            if (part.positives + part.negatives > 0 && !is_safe(part, 10)) return false;
            for (const int side : {0, 1}) {
                const int from = std::max(first, side * kSteps / 2),
                          to = std::min(end, (side + 1) * kSteps / 2);
                if (from >= to) continue;
                const Counted here = in(from, to);
                if (!is_told(here.with, here.positives, sides[side].positives) ||
                    !is_told(here.without, here.negatives, sides[side].negatives))
                    return false;
            }
            return true;
        };
        bool are_told[kSteps + 1][kSteps + 1] = {}, is_any[kSteps + 1][kSteps + 1] = {};
        for (int first = 0; first < kSteps; ++first)
            for (int end = first + 1; end <= kSteps; ++end) {
                are_told[first][end] = may_be_told(first, end);
                is_any[first][end] = in(first, end).positives + in(first, end).negatives > 0;
            }
        std::size_t most = 0;
        for (unsigned cuts = 0; cuts < 1U << (kSteps / 2); ++cuts) {  // with each its mirror image
            std::size_t points = 0;
            bool are_safe = true;
            for (int low = 0, at = 1; at <= kSteps && are_safe; ++at) {
                if (at < kSteps && !(cuts >> (std::min(at, kSteps - at) - 1) & 1)) continue;
                are_safe = are_told[low][at];
                points += is_any[low][at];
                low = at;
            }
            if (are_safe) most = std::max(most, points);
        }
        CHECK(curve_points(samples, 10).size() == (most < 2 ? 0 : most));
    }
}

TEST_CASE(
    "curves of one page have the same thresholds, so that p and 1 - p tell no small count by their "
    "difference") {
    std::size_t drawn = 0, left = 0;
    for (unsigned seed = 0; seed < 40; ++seed) {
        auto one =
            world(seed, 60 + 10 * static_cast<int>(seed), static_cast<int>(seed % 4), seed % 2 ? 20 : 997);
        auto other = world(seed + 100, 300, 2, 997), few = world(seed + 200, 25, 1, 997);
        auto against = one;
        for (CurveSample& each : against) {
            each.probability = static_cast<float>(1 - static_cast<double>(each.probability));
            each.is_positive = !each.is_positive;
            each.told = each.probability > 0.5F;
        }
        const auto found = curves({one, against, other, few}, 10);
        std::set<double> cuts{0};
        for (const Curve& each : found) {
            CHECK(each.points.empty() != each.none.empty());
            drawn += !each.points.empty();
            left += each.points.empty();
            cuts.merge(cuts_of(each.points));
        }
        std::set<double> mirrored{0};
        for (const double cut : cuts)
            if (cut > 0) mirrored.insert(std::round((1 - cut) * 1e4) / 1e4);
        for (std::size_t i = 0; i < found.size(); ++i) {
            if (found[i].points.empty()) continue;
            const auto* samples = std::array{&one, &against, &other, &few}.at(i);
            std::set<double> all = cuts;
            all.insert(mirrored.begin(), mirrored.end());
            check_parts(*samples, all, 10);
        }
    }
    CHECK(drawn > 80);
    CHECK(left > 20);
}

TEST_CASE("what stands beside a curve, and samples on a threshold, cut no small count out of it") {
    std::vector<CurveSample> samples;
    const auto add = [&](double p, int patients, bool is_positive) {
        for (int i = 0; i < patients; ++i)
            samples.push_back({static_cast<float>(p), is_positive, samples.size(), p > 0.5});
    };
    for (const bool is_positive : {false, true})
        for (const double p : {0.97, 0.03}) add(p, 30, is_positive);
    for (const double p : {0.62, 0.42}) add(p, 20, true), add(p, 20, false);
    const auto with = [&](double p, int patients) {
        const auto before = samples;
        add(p, patients, true);
        const auto out = curve_points(samples, 10);
        check_parts(samples, cuts_of(out), 10);
        samples = before;
        return out;
    };
    CHECK(with(0.62, 0).size() == 4);
    CHECK(with(0.52, 12).size() == 5);
    // Behind a half there are three: the confusion would part them from those at 0.42.
    CHECK_FALSE(cuts_of(with(0.53, 3)).contains(0.55));
    const auto base = samples;
    for (const double on : {0.9, 0.7, 0.3, 0.1}) {  // float32 has none of them
        samples = base;
        for (const double p : {on + 0.02, on - 0.02}) add(p, 20, true), add(p, 20, false);
        CHECK(cuts_of(with(on, 0)).contains(on));
        CHECK_FALSE(cuts_of(with(on, 3)).contains(on));
        const auto points = with(on, 12);
        const auto at = std::find_if(points.begin(), points.end(),
                                     [&](const CurvePoint& each) { return each.threshold == on; });
        REQUIRE(at != points.end());
        const double above = between(samples, on, 2).positives + 12;
        CHECK(at->sensitivity == Approx(above / (between(samples, 0, 2).positives + 12)));
    }
}

TEST_CASE("a probability that float32 has nearest to a threshold reaches it") {
    EvaluateOptions options;
    options.bootstrap = 0;
    options.points = {parse_point("0.9"), parse_point("0.1"), parse_point("sensitivity >= 1")};
    Predictions p;
    p.classes = {"a", "b"};
    for (std::uint64_t i = 0; i < 40; ++i) {
        p.label.push_back(i % 2);
        p.patient.push_back(i);
        const float b = i % 2 ? 0.9F : 0.1F;
        p.probability.insert(p.probability.end(), {1 - b, b});
    }
    const auto points = report(p, options, &p)["overall"]["points"];
    CHECK(points[0]["sensitivity"] == 1.0);
    CHECK(points[0]["specificity"] == 1.0);
    CHECK(points[1]["specificity"] == 0.0);
    CHECK(points[2]["threshold"] == 0.9);
}

TEST_CASE(
    "there is no curve of a class of few patients, of one that is hidden, nor where a sample has no score") {
    const nlohmann::ordered_json kNoPoints = {{"overall", nlohmann::ordered_json::object()}};
    EvaluateOptions options;
    Predictions p;
    p.classes = {"a", "b", "c", "d"};
    const std::vector<int> patients{300, 4, 250, 120};
    for (int c = 0; c < 4; ++c)
        for (int i = 0; i < patients[static_cast<std::size_t>(c)]; ++i) {
            p.label.push_back(c);
            for (int k = 0; k < 4; ++k) p.probability.push_back(k == (i % 3 ? c : 0) ? 0.7F : 0.1F);
            p.patient.push_back(p.patient.size());
        }
    const auto names = [&](const Predictions& of) {
        std::vector<std::string> out;
        for (const Curve& each : judge_of(of.task).curves(of, options, kNoPoints)) out.push_back(each.name);
        return out;
    };
    CHECK(names(p) == std::vector<std::string>{"a", "c"});  // as per_class of metrics.json
    for (const Curve& each : judge_classes().curves(p, options, kNoPoints)) CHECK(each.points.size() > 1);
    Predictions failed = p;
    failed.probability[5] = NAN;
    CHECK(names(failed) == names(p));
    for (const Curve& each : judge_classes().curves(failed, options, kNoPoints)) {
        CHECK(each.points.empty());
        CHECK(each.none == "a sample has no score");
    }

    Predictions two = made::sites({200, 200}, {20, 20});
    CHECK(names(two) == std::vector<std::string>{"b"});
    options.positive = "a";
    CHECK(names(two) == std::vector<std::string>{"a"});
    options.positive = "";
    CHECK(names(made::sites({30}, {3})) == std::vector<std::string>{"b"});
    CHECK(judge_classes()
              .curves(made::sites({30}, {3}), options, kNoPoints)[0]
              .points.empty());                    // three wrong of each
    CHECK(names(made::sites({18}, {3})).empty());  // nine patients of a class

    Predictions labels;
    labels.task = "multilabel";
    labels.classes = {"often", "seldom"};
    for (std::uint64_t i = 0; i < 200; ++i) {
        labels.patient.push_back(i);
        labels.truth.insert(labels.truth.end(), {i % 2 ? 1.0 : 0.0, i < 5 ? 1.0 : i % 3 ? 0.0 : NAN});
        labels.probability.insert(labels.probability.end(), {i % 2 ? 0.7F : 0.2F, 0.3F});
    }
    CHECK(names(labels).empty());  // with the mean of both, the one would tell the other
    labels.truth.clear();
    for (std::uint64_t i = 0; i < 200; ++i)
        labels.truth.insert(labels.truth.end(), {i % 2 ? 1.0 : 0.0, i % 5 ? 0.0 : 1.0});
    CHECK(names(labels) == labels.classes);
    CHECK(names(Predictions{.task = "regression"}).empty());
}

TEST_CASE("curves stand in the page beside the figures of metrics.json, which has none of them") {
    EvaluateOptions options;
    options.bootstrap = 0;
    const Predictions p = made::sites({200, 200}, {40, 20});
    const auto json = report(p, options);
    const std::string page = html_report(json, judge_classes().curves(p, options, json));
    char told[64];
    std::snprintf(told, sizeof told, "AUROC %.3f, AUPRC ", json["overall"]["auroc"].get<double>());
    CHECK(page.find(told) != std::string::npos);
    for (const char* each : {"ROC curve of b", "Precision-recall curve of b"})
        CHECK(page.find(each) != std::string::npos);
    CHECK(page.find("curve of a") == std::string::npos);
    CHECK(html_report(json).find("ROC curve") == std::string::npos);
    CHECK(html_report(json, {{"b", {}, "a sample has no score"}}).find("No curve: a sample has no score.") !=
          std::string::npos);
}
