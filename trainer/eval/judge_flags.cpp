// Several labels: each sample has a yes, a no or nothing in each of some columns. Each label is measured among the samples
// in which it is known; a figure of all is the mean over the labels in which it is defined.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/error.h"
#include "trainer/eval/groups.h"
#include "trainer/eval/judge.h"
#include "trainer/eval/report_parts.h"
#include "trainer/eval/suppress.h"

namespace trainer {
namespace {

using Json = nlohmann::ordered_json;
using Value = std::optional<double>;

struct Figure {
    FigureRow row;
    Value (*of)(const Measures& label);
};
const std::vector<Figure>& kinds() {
    using M = const Measures&;
    static const std::vector<Figure> kFigures{
        {{"auroc", true, true, true}, [](M m) { return m.auroc; }},
        {{"auprc", true, true, true}, [](M m) { return m.auprc; }},
        {{"sensitivity", false, true, false}, [](M m) { return m.sensitivity; }},
        {{"specificity", false, true, false}, [](M m) { return m.specificity; }},
        {{"f1", true, true, false}, [](M m) { return m.f1; }},
        {{"loss", true, false, false}, [](M m) { return m.loss; }},
        {{"brier", true, false, false}, [](M m) { return m.brier; }}};
    return kFigures;
}

// One label of some samples, as two classes: no and yes.
struct Label {
    std::vector<std::size_t> samples;  // of the whole predictions: those in which it is known
    std::unique_ptr<Predictions> predictions;
    std::unique_ptr<Measurer> measurer;
};

Label label_of(const Predictions& all, const std::vector<std::size_t>& samples, std::size_t label,
               std::int64_t bins, Ranks ranks) {
    Label out;
    out.predictions = std::make_unique<Predictions>();
    Predictions& p = *out.predictions;
    p.classes = {"no", "yes"};
    const std::size_t labels = all.classes.size();
    for (const std::size_t i : samples) {
        const double truth = all.truth[i * labels + label];
        if (std::isnan(truth)) continue;
        const float yes = all.probability[i * labels + label];
        out.samples.push_back(i);
        p.label.push_back(truth > 0);
        p.probability.push_back(static_cast<float>(1 - static_cast<double>(yes)));
        p.probability.push_back(yes);
        p.patient.push_back(all.patient[i]);
    }
    out.measurer = std::make_unique<Measurer>(p, all_of(p), 1, bins, ranks);
    return out;
}

// How many patients have a yes, and how many a no, among `samples`.
std::pair<std::int64_t, std::int64_t> patients_by_truth(const Predictions& predictions,
                                                        const std::vector<std::size_t>& samples,
                                                        std::size_t label) {
    std::set<std::uint64_t> yes, no;
    for (const std::size_t i : samples) {
        const double truth = predictions.truth[i * predictions.classes.size() + label];
        if (!std::isnan(truth)) (truth > 0 ? yes : no).insert(predictions.patient[i]);
    }
    return {static_cast<std::int64_t>(yes.size()), static_cast<std::int64_t>(no.size())};
}

// Of how many patients the label is known, and of how many yes or no, whichever are fewer.
struct Known {
    std::int64_t patients = 0, least_of_kind = 0;
};
Known known_of(const Predictions& predictions, const std::vector<std::size_t>& samples, std::size_t label) {
    std::set<std::uint64_t> known;
    for (const std::size_t i : samples)
        if (!std::isnan(predictions.truth[i * predictions.classes.size() + label]))
            known.insert(predictions.patient[i]);
    const auto [yes, no] = patients_by_truth(predictions, samples, label);
    return {static_cast<std::int64_t>(known.size()), std::min(yes, no)};
}

class JudgedFlags final : public Judged {
public:
    JudgedFlags(const Predictions& predictions, const std::vector<std::size_t>& samples,
                const EvaluateOptions& options, Ranks ranks)
        : Judged(predictions), samples_(samples.size()) {
        const std::size_t labels = predictions.classes.size();
        for (const std::size_t i : samples) {
            const float* row = predictions.probability.data() + i * labels;
            unscored_ += !std::all_of(row, row + labels, [](float p) { return std::isfinite(p); });
        }
        for (std::size_t c = 0; c < labels; ++c) {
            const Known known = known_of(predictions, samples, c);
            // One that is known of few patients would be told by what the others' mean leaves.
            if (known.patients < options.min_stratum) continue;
            labels_.push_back(label_of(predictions, samples, c, options.bins, ranks));
            are_few_ = known.least_of_kind < options.min_stratum;
        }
    }

    // The mean of one label is that label's.
    bool may_be_told(std::size_t) const override { return !(labels_.size() == 1 && are_few_); }

    std::vector<double> of(const Times& times) const override {
        std::vector<double> sum(kinds().size(), 0), count(kinds().size(), 0);
        for (const Label& label : labels_) {
            Times here;
            std::uint64_t all = 0;
            for (const std::size_t i : label.samples) {
                here.push_back(times[i]);
                all += times[i];
            }
            if (all == 0) continue;
            const Measures m = label.measurer->of(here);
            for (std::size_t k = 0; k < kinds().size(); ++k)
                if (const Value value = kinds()[k].of(m)) {
                    sum[k] += *value;
                    ++count[k];
                }
        }
        for (std::size_t k = 0; k < sum.size(); ++k) sum[k] = count[k] > 0 ? sum[k] / count[k] : NAN;
        return sum;
    }
    Json once() const override {
        Json out = {{"samples", samples_}};
        const auto values = told_of(Times(predictions_.samples(), 1));
        for (std::size_t k = 0; k < values.size(); ++k)
            out[std::string(kinds()[k].row.name)] = number(values[k]);
        if (unscored_ > 0) out["without_score"] = unscored_;
        return out;
    }
    std::int64_t unscored() const override { return unscored_; }

private:
    const std::size_t samples_;
    std::int64_t unscored_ = 0;
    bool are_few_ = false;       // patients with a yes, or with a no, in the last of them
    std::vector<Label> labels_;  // that enter the means
};

// Patients and strata of the samples in which a label is known.
Predictions with_label(const Predictions& predictions, std::size_t label) {
    Predictions out;
    out.strata = predictions.strata;
    for (Predictions::Stratum& stratum : out.strata) stratum.code.clear();
    for (std::size_t i = 0; i < predictions.samples(); ++i) {
        if (std::isnan(predictions.truth[i * predictions.classes.size() + label])) continue;
        out.patient.push_back(predictions.patient[i]);
        for (std::size_t s = 0; s < out.strata.size(); ++s)
            out.strata[s].code.push_back(predictions.strata[s].code[i]);
    }
    return out;
}

// Labels of which too few patients have a yes, or a no; and those from which with the others and the mean one would
// follow: the mean of those that are known of patients enough (JudgedFlags), and of no others.
std::vector<bool> hidden_labels(const Predictions& predictions, const EvaluateOptions& options) {
    const std::vector<std::size_t> all = all_of(predictions);
    std::vector<bool> out(predictions.classes.size(), true);
    std::vector<std::pair<std::size_t, std::int64_t>> meant;  // label, patients of the rarer kind
    for (std::size_t c = 0; c < out.size(); ++c)
        if (const Known known = known_of(predictions, all, c); known.patients >= options.min_stratum)
            meant.emplace_back(c, known.least_of_kind);
    if (meant.empty()) return out;
    std::vector<FigureSet> sets{{std::vector<bool>(meant.size(), true), patients_of(predictions, all), 0}};
    for (std::size_t i = 0; i < meant.size(); ++i) {
        sets.push_back({std::vector<bool>(meant.size(), false), meant[i].second, 1});
        sets.back().atoms[i] = true;
    }
    const auto hidden = suppressed(sets, options.min_stratum);
    for (std::size_t i = 0; i < meant.size(); ++i) out[meant[i].first] = hidden[i + 1];
    return out;
}

class JudgeFlags final : public Judge {
public:
    std::string_view task() const override { return "multilabel"; }
    std::string_view first_select() const override { return "auroc"; }
    std::string_view first_score() const override { return "auroc"; }
    std::vector<std::string_view> told() const override { return {"auroc", "loss"}; }
    std::vector<std::pair<std::string_view, std::string_view>> shown() const override {
        return {
            {"auroc", "AUROC"}, {"auprc", "AUPRC"}, {"sensitivity", "sensit."}, {"specificity", "specif."}};
    }
    std::vector<std::string_view> tabled() const override {
        return {"auroc", "auprc", "sensitivity", "specificity", "f1", "brier"};
    }
    const std::vector<FigureRow>& figures() const override {
        static const std::vector<FigureRow> kRows = [] {
            std::vector<FigureRow> out;
            for (const Figure& each : kinds()) out.push_back(each.row);
            return out;
        }();
        return kRows;
    }

    void check(const EvaluateOptions& options, const std::vector<std::string>&) const override {
        if (!options.positive.empty() || !options.points.empty())
            throw core::Error(core::Fault::usage,
                              "evaluate.positive and evaluate.points are for two classes, not for labels");
    }

    // A group is hidden also where that holds among the samples in which one of the labels is known: means of losses
    // would tell of them by differences.
    std::vector<Group> groups(const Predictions& predictions, const EvaluateOptions& options) const override {
        std::vector<Group> out = groups_of(predictions, options);
        for (std::size_t c = 0; c < predictions.classes.size(); ++c)
            for (const Group& known : groups_of(with_label(predictions, c), options))
                for (Group& each : out)
                    if (known.hidden && each.stratum == known.stratum && each.value == known.value)
                        each.hidden = true;
        return out;
    }

    std::unique_ptr<Judged> judged(const Predictions& predictions, std::vector<std::size_t> samples,
                                   const EvaluateOptions& options, const Chosen&,
                                   Ranks ranks) const override {
        return std::make_unique<JudgedFlags>(predictions, samples, options, ranks);
    }
    // A patient whose samples disagree on a label has none there.
    ByPatient by_patient(const Predictions& predictions,
                         const std::vector<std::size_t>& samples) const override {
        ByPatient out = means_by_patient(predictions, samples);
        for (double& truth : out.predictions.truth)
            if (truth != 0 && truth != 1) truth = NAN;
        return out;
    }
    // Of each label that there is, with a yes and with a no: of few patients, all of them right, resampling shows no error.
    bool are_enough(const Predictions& predictions, const EvaluateOptions&,
                    const std::vector<std::size_t>& samples, const std::vector<std::size_t>&,
                    std::size_t) const override {
        for (std::size_t c = 0; c < predictions.classes.size(); ++c) {
            const auto [yes, no] = patients_by_truth(predictions, samples, c);
            if (std::min(yes, no) < kLeastOfKind) return false;
        }
        return true;
    }

    void tell_outputs(Json& out, const Predictions& predictions, const EvaluateOptions&) const override {
        out["task"] = task();
        out["labels"] = predictions.classes;
    }
    void tell_whole(Json& out, const Predictions& predictions, const EvaluateOptions& options, const Chosen&,
                    const Judged&) const override {
        const std::vector<bool> is_hidden = hidden_labels(predictions, options);
        std::vector<std::pair<double, Json>> shown;
        std::vector<std::string> hidden;
        for (std::size_t c = 0; c < predictions.classes.size(); ++c) {
            if (is_hidden[c]) {
                hidden.push_back(predictions.classes[c]);
                continue;
            }
            const Label label = label_of(predictions, all_of(predictions), c, options.bins, Ranks::averaged);
            const Measures m = label.measurer->once();
            Json entry = {{"value", predictions.classes[c]}};
            for (const Figure& each : kinds()) entry[std::string(each.row.name)] = number(each.of(m));
            shown.emplace_back(m.auroc.value_or(2), std::move(entry));
        }
        out["per_label"] = worst_first(std::move(shown), hidden);
    }
    std::vector<Curve> curves(const Predictions& predictions, const EvaluateOptions& options,
                              const Json&) const override {
        const std::size_t labels = predictions.classes.size();
        const std::vector<bool> is_hidden = hidden_labels(predictions, options);
        std::vector<CurveCells> out;
        for (std::size_t c = 0; c < labels; ++c) {
            if (is_hidden[c]) continue;
            std::vector<CurveSample> samples;
            for (std::size_t i = 0; i < predictions.samples(); ++i) {
                const double truth = predictions.truth[i * labels + c];
                const float yes = predictions.probability[i * labels + c];
                if (!std::isnan(truth))
                    samples.push_back(
                        {yes, truth > 0, predictions.patient[i], yes > 0.5F});  // as Measurer has it
            }
            out.push_back(curve_cells(predictions.classes[c], samples, options.min_stratum));
        }
        return curves_of(out);
    }
};

}  // namespace

const Judge& judge_flags() {
    static const JudgeFlags kJudge;
    return kJudge;
}

}  // namespace trainer
