// Classification: each sample is of one class.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "trainer/eval/groups.h"
#include "trainer/eval/judge.h"
#include "trainer/eval/report_parts.h"

namespace trainer {
namespace {

using Json = nlohmann::ordered_json;
using Times = Judged::Times;

double real(std::optional<double> value) {
    return value.value_or(NAN);
}

// What has an interval. ECE has none: it grows with what resampling adds, so that its percentiles mislead.
struct Figure {
    const char* name;
    std::optional<double> (*of)(const Measures& measures);
};
const std::vector<Figure>& kinds() {
    using M = const Measures&;
    static const std::vector<Figure> kFigures{{"accuracy", [](M m) { return std::optional(m.accuracy); }},
                                              {"balanced_accuracy", [](M m) { return m.balanced_accuracy; }},
                                              {"auroc", [](M m) { return m.auroc; }},
                                              {"auprc", [](M m) { return m.auprc; }},
                                              {"sensitivity", [](M m) { return m.sensitivity; }},
                                              {"specificity", [](M m) { return m.specificity; }},
                                              {"f1", [](M m) { return m.f1; }},
                                              {"loss", [](M m) { return m.loss; }},
                                              {"brier", [](M m) { return m.brier; }}};
    return kFigures;
}

class JudgedClasses final : public Judged {
public:
    JudgedClasses(const Predictions& predictions, std::vector<std::size_t> samples,
                  const EvaluateOptions& options, const Chosen& chosen, Ranks ranks)
        : Judged(predictions),
          positive_(positive_class(options, predictions.classes)),
          thresholds_(chosen.thresholds),
          samples_(samples),
          measurer(predictions, std::move(samples), positive_, options.bins, ranks),
          measures(measurer.once()) {}

    std::vector<double> of(const Times& times) const override {
        const Measures found = measurer.of(times);
        std::vector<double> out;
        for (const Figure& each : kinds()) out.push_back(real(each.of(found)));
        return out;
    }
    Json once() const override { return to_json(measures); }
    std::int64_t unscored() const override { return measures.unscored; }

    // At the points: sensitivity and specificity of each that has a threshold.
    std::vector<double> further(const Times& times) const override {
        std::vector<double> out;
        for (const auto& threshold : thresholds_) {
            if (!threshold) continue;
            const auto [sensitivity, specificity] = at(*threshold, times);
            out.push_back(real(sensitivity));
            out.push_back(real(specificity));
        }
        return out;
    }
    void tell_further(Json& of, const std::vector<std::vector<double>>& rounds) const override {
        std::size_t column = 0;
        const auto next = [&] {
            std::vector<double> values;
            for (const auto& round : rounds) values.push_back(round.at(column));
            ++column;
            return interval(std::move(values));
        };
        for (const auto& threshold : thresholds_) {
            Json point = {
                {"threshold", number(threshold)}, {"sensitivity", nullptr}, {"specificity", nullptr}};
            if (threshold) {
                const auto [sensitivity, specificity] = at(*threshold, Times(predictions_.samples(), 1));
                point["sensitivity"] = number(sensitivity);
                point["specificity"] = number(specificity);
                if (!rounds.empty()) {
                    const Json first = next(), second = next();
                    point["interval95"] = {{"sensitivity", first}, {"specificity", second}};
                }
            }
            of["points"].push_back(point);
        }
    }

private:
    // Sensitivity and specificity where a probability that reaches `threshold` is a yes. What has no score is not
    // recognised.
    std::pair<std::optional<double>, std::optional<double>> at(double threshold, const Times& times) const {
        double found = 0, positives = 0, left = 0, negatives = 0;
        for (const std::size_t i : samples_) {
            const float p = predictions_.probability[2 * i + static_cast<std::size_t>(positive_)];
            const bool yes = reaches(p, threshold);
            if (predictions_.label[i] == positive_) {
                positives += times[i];
                if (std::isfinite(p) && yes) found += times[i];
            } else {
                negatives += times[i];
                if (std::isfinite(p) && !yes) left += times[i];
            }
        }
        const auto ratio = [](double part, double whole) {
            return whole > 0 ? std::optional(part / whole) : std::nullopt;
        };
        return {ratio(found, positives), ratio(left, negatives)};
    }

    const std::int32_t positive_;
    const std::vector<std::optional<double>> thresholds_;
    const std::vector<std::size_t> samples_;

public:
    const Measurer measurer;
    const Measures measures;
};

class JudgeClasses final : public Judge {
public:
    std::string_view task() const override { return "classification"; }
    bool has_calibration() const override { return true; }
    std::string_view first_select() const override { return "accuracy"; }
    std::string_view first_score() const override { return "balanced_accuracy"; }
    std::vector<std::string_view> told() const override { return {"accuracy", "loss"}; }
    std::vector<std::pair<std::string_view, std::string_view>> shown() const override {
        return {{"accuracy", "accuracy"},
                {"auroc", "AUROC"},
                {"sensitivity", "sensit."},
                {"specificity", "specif."}};
    }
    std::vector<std::string_view> tabled() const override {
        return {"balanced_accuracy", "auroc", "auprc", "sensitivity", "specificity", "f1"};
    }
    const std::vector<FigureRow>& figures() const override {
        static const std::vector<FigureRow> kRows = [] {
            std::vector<FigureRow> out;
            for (const Figure& each : kinds()) {
                const Score* score = trainer::find_score(each.name);
                out.push_back({each.name, score != nullptr, !score || score->is_more_better,
                               score && score->needs_ranks});
            }
            return out;
        }();
        return kRows;
    }

    void check(const EvaluateOptions& options, const std::vector<std::string>& outputs) const override {
        positive_class(options, outputs);
    }
    bool chooses(const EvaluateOptions& options) const override {
        return options.temperature ||
               std::any_of(options.points.begin(), options.points.end(),
                           [](const Point& point) { return point.by != Point::By::threshold; });
    }
    Chosen choose(const EvaluateOptions& options, const std::vector<std::string>& outputs,
                  const Predictions* validation) const override {
        return trainer::choose(options, positive_class(options, outputs), validation);
    }

    std::unique_ptr<Judged> judged(const Predictions& predictions, std::vector<std::size_t> samples,
                                   const EvaluateOptions& options, const Chosen& chosen,
                                   Ranks ranks) const override {
        return std::make_unique<JudgedClasses>(predictions, std::move(samples), options, chosen, ranks);
    }
    ByPatient by_patient(const Predictions& predictions,
                         const std::vector<std::size_t>& samples) const override {
        return trainer::by_patient(predictions, samples);
    }

    // Of each class that there is: of few patients, all of them right, resampling shows no error.
    bool are_enough(const Predictions& predictions, const EvaluateOptions&,
                    const std::vector<std::size_t>& samples, const std::vector<std::size_t>& patient,
                    std::size_t patients) const override {
        const std::size_t classes = predictions.classes.size();
        std::vector<bool> seen(patients * classes);
        std::vector<std::int64_t> count(classes, 0);
        for (const std::size_t i : samples) {
            const auto label = static_cast<std::size_t>(predictions.label[i]);
            if (seen[patient[i] * classes + label]) continue;
            seen[patient[i] * classes + label] = true;
            ++count[label];
        }
        std::vector<bool> occurs(classes, false);
        for (const std::int32_t label : predictions.label) occurs[static_cast<std::size_t>(label)] = true;
        for (std::size_t c = 0; c < classes; ++c)
            if (occurs[c] && count[c] < kLeastOfKind) return false;
        return true;
    }

    void tell_outputs(Json& out, const Predictions& predictions,
                      const EvaluateOptions& options) const override {
        out["classes"] = predictions.classes;
        out["positive"] =
            predictions.classes.size() == 2
                ? Json(predictions
                           .classes[static_cast<std::size_t>(positive_class(options, predictions.classes))])
                : Json();
    }
    void tell_whole(Json& out, const Predictions& predictions, const EvaluateOptions& options,
                    const Chosen& chosen, const Judged& whole) const override {
        const auto& all = static_cast<const JudgedClasses&>(whole);
        const std::int32_t positive = positive_class(options, predictions.classes);
        out["confusion"] = all.measures.confusion;
        out["per_class"] = classes_json(predictions, options, positive);
        out["calibration"] = Json::object();
        if (all.measures.unscored == 0)
            out["calibration"]["curve"] = curve_json(predictions, options, all.measurer);
        if (chosen.temperature)
            out["calibration"]["temperature"] =
                temperature_json(predictions, options, positive, *chosen.temperature);
    }
    std::vector<Curve> curves(const Predictions& predictions, const EvaluateOptions& options,
                              const Json& told) const override {
        const std::size_t classes = predictions.classes.size();
        const std::int32_t positive = positive_class(options, predictions.classes);
        const std::vector<bool> is_hidden = hidden_classes(predictions, options);
        std::vector<double> thresholds;
        for (const Json& point : told.at("overall").value("points", Json::array()))
            if (!point.at("threshold").is_null()) thresholds.push_back(point["threshold"]);
        std::vector<CurveCells> out;
        std::vector<CurveSample> samples(predictions.samples());
        for (std::size_t c = 0; c < classes; ++c) {
            if (is_hidden[c] || (classes == 2 && static_cast<std::size_t>(positive) != c)) continue;
            for (std::size_t i = 0; i < samples.size(); ++i) {
                const auto row = predictions.probability.begin() + static_cast<std::ptrdiff_t>(i * classes);
                const bool is_scored = std::all_of(row, row + static_cast<std::ptrdiff_t>(classes),
                                                   [](float p) { return std::isfinite(p); });
                const auto most = std::max_element(row, row + static_cast<std::ptrdiff_t>(classes)) - row;
                unsigned yes = static_cast<std::size_t>(most) == c;
                for (const double threshold : thresholds)
                    yes = yes << 1 | reaches(row[static_cast<std::ptrdiff_t>(c)], threshold);
                samples[i] = {is_scored ? row[static_cast<std::ptrdiff_t>(c)] : NAN,
                              static_cast<std::size_t>(predictions.label[i]) == c, predictions.patient[i],
                              static_cast<std::uint8_t>(yes)};
            }
            out.push_back(curve_cells(predictions.classes[c], samples, options.min_stratum));
        }
        return curves_of(out);
    }
};

}  // namespace

const Judge& judge_classes() {
    static const JudgeClasses kJudge;
    return kJudge;
}

}  // namespace trainer
