#include "trainer/eval/metrics.h"

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

}  // namespace trainer
