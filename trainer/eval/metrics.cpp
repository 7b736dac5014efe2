#include "trainer/eval/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/error.h"

namespace trainer {

EvaluateOptions EvaluateOptions::from(const core::Config& options) {
    EvaluateOptions out;
    out.positive = options.text_or("positive", "");
    if (options.has("strata")) out.strata = options.texts("strata");
    out.min_stratum = options.integer_or("min_stratum", out.min_stratum);
    out.bootstrap = options.integer_or("bootstrap", out.bootstrap);
    out.seed = static_cast<std::uint64_t>(options.integer_or("seed", 1));
    for (const auto& stratum : out.strata)
        if (stratum != "site" && stratum != "vendor" && stratum != "site*vendor")
            options.refuse("strata", "expected \"site\", \"vendor\" or \"site*vendor\"");
    if (out.min_stratum < 1) options.refuse("min_stratum", "expected 1 or more");
    if (out.bootstrap < 0 || out.bootstrap > 100000) options.refuse("bootstrap", "expected 0 to 100000");
    return out;
}

std::int32_t positive_class(const EvaluateOptions& options, const std::vector<std::string>& classes) {
    if (options.positive.empty()) return classes.size() == 2 ? 1 : -1;
    if (classes.size() != 2)
        throw core::Error(core::Fault::usage,
                          "evaluate.positive is for two classes; of more, each is measured against the rest");
    const auto found = std::find(classes.begin(), classes.end(), options.positive);
    if (found == classes.end())
        throw core::Error(core::Fault::usage, "evaluate.positive is not one of the classes");
    return static_cast<std::int32_t>(found - classes.begin());
}

std::optional<double> score_of(const Measures& measures, const std::string& select) {
    if (measures.unscored > 0) return std::nullopt;
    if (select == "auroc") return measures.auroc;
    if (select == "loss") return measures.loss ? std::optional(-*measures.loss) : std::nullopt;
    return measures.accuracy;
}

std::optional<double> auroc(const std::vector<float>& score, const std::vector<bool>& is_positive) {
    // What is not a number has no place in an order: the sort would be undefined, and no two of them tie.
    if (!std::all_of(score.begin(), score.end(), [](float s) { return std::isfinite(s); }))
        return std::nullopt;
    std::vector<std::size_t> order(score.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return score[a] < score[b]; });
    double positives = 0, rank_sum = 0;
    for (std::size_t i = 0; i < order.size();) {
        std::size_t end = i;
        double tied_positives = 0;
        while (end < order.size() && score[order[end]] == score[order[i]])
            tied_positives += is_positive[order[end++]];
        rank_sum += tied_positives * (static_cast<double>(i + 1 + end) / 2);  // the mean of ranks i+1 .. end
        positives += tied_positives;
        i = end;
    }
    const double negatives = static_cast<double>(score.size()) - positives;
    if (positives == 0 || negatives == 0) return std::nullopt;
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives);
}

Measures measure(const Predictions& predictions, const std::vector<std::size_t>& samples,
                 std::int32_t positive) {
    const std::size_t classes = predictions.classes.size();
    Measures out;
    out.samples = static_cast<std::int64_t>(samples.size());
    out.confusion.assign(classes, std::vector<std::int64_t>(classes, 0));
    double loss = 0;
    std::int64_t right = 0;
    std::vector<double> occurs(classes, 0), unscored(classes, 0);  // samples of each true class
    for (const std::size_t i : samples) {
        const float* row = predictions.probability.data() + i * classes;
        const auto truth = static_cast<std::size_t>(predictions.label[i]);
        ++occurs[truth];
        if (!std::all_of(row, row + classes, [](float p) { return std::isfinite(p); })) {
            ++out.unscored;
            ++unscored[truth];
            continue;
        }
        const auto guess = static_cast<std::size_t>(std::max_element(row, row + classes) - row);
        loss -= std::log(std::max(static_cast<double>(row[truth]), 1e-12));
        right += truth == guess;
        ++out.confusion[truth][guess];
    }
    const auto count = static_cast<double>(samples.size());
    if (out.unscored == 0 && !samples.empty()) out.loss = loss / count;
    out.accuracy = static_cast<double>(right) / count;

    // Two classes: the positive one. More: each against the rest.
    std::vector<std::size_t> targets(classes);
    std::iota(targets.begin(), targets.end(), std::size_t{0});
    if (classes == 2) targets = {static_cast<std::size_t>(positive)};
    double areas = 0, sensitivities = 0, specificities = 0, with_area = 0, with_sensitivity = 0,
           with_specificity = 0;
    std::vector<float> score(samples.size());
    std::vector<bool> is_target(samples.size());
    for (const std::size_t target : targets) {
        const double all = occurs[target];
        double found = 0, false_alarms = static_cast<double>(out.unscored) - unscored[target];
        for (std::size_t truth = 0; truth < classes; ++truth)
            for (std::size_t guess = 0; guess < classes; ++guess) {
                const auto cell = static_cast<double>(out.confusion[truth][guess]);
                if (truth == target && guess == target) found += cell;
                if (truth != target && guess == target) false_alarms += cell;
            }
        if (all > 0) sensitivities += found / all, ++with_sensitivity;
        if (all < count) specificities += 1 - false_alarms / (count - all), ++with_specificity;
        for (std::size_t i = 0; i < samples.size(); ++i) {
            score[i] = predictions.probability[samples[i] * classes + target];
            is_target[i] = static_cast<std::size_t>(predictions.label[samples[i]]) == target;
        }
        if (const auto area = auroc(score, is_target)) areas += *area, ++with_area;
    }
    if (with_area > 0) out.auroc = areas / with_area;
    if (with_sensitivity > 0) out.sensitivity = sensitivities / with_sensitivity;
    if (with_specificity > 0) out.specificity = specificities / with_specificity;
    return out;
}

}  // namespace trainer
