#include "trainer/eval/metrics.h"

#include <cmath>

#include "trainer/eval/measure.h"

namespace trainer {

const std::vector<Score>& scores() {
    using M = const Measures&;
    using Value = std::optional<double>;
    static const std::vector<Score> kScores{
        {"accuracy", [](M m) { return Value(m.accuracy); }, true, false},
        {"balanced_accuracy", [](M m) { return m.balanced_accuracy; }, true, false},
        {"auroc", [](M m) { return m.auroc; }, true, true},
        {"auprc", [](M m) { return m.auprc; }, true, true},
        {"f1", [](M m) { return m.f1; }, true, false},
        {"brier", [](M m) { return m.brier; }, false, false},
        {"loss", [](M m) { return m.loss; }, false, false},
    };
    return kScores;
}

const Score* find_score(std::string_view name) {
    for (const Score& each : scores())
        if (each.name == name) return &each;
    return nullptr;
}

std::string score_names() {
    std::string out;
    for (const Score& each : scores()) {
        if (!out.empty()) out += &each == &scores().back() ? " or " : ", ";
        out += '"' + std::string(each.name) + '"';
    }
    return out;
}

std::optional<double> score_of(const Measures& measures, const std::string& select) {
    if (measures.unscored > 0) return std::nullopt;
    const Score* score = find_score(select);
    if (!score) return measures.accuracy;
    const auto value = score->of(measures);
    return value && !score->is_more_better ? std::optional(-*value) : value;
}

Measures measure(const Predictions& predictions, const std::vector<std::size_t>& samples,
                 std::int32_t positive) {
    return Measurer(predictions, samples, positive, EvaluateOptions{}.bins, Ranks::averaged).once();
}

}  // namespace trainer
