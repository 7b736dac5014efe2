#pragma once
#include <numeric>
#include <string>
#include <vector>

#include "trainer/eval/judge.h"

namespace made {

using trainer::Predictions;

// The worked example of METRICS.md.
inline Predictions example() {
    Predictions p;
    p.classes = {"a", "b"};
    p.label = {1, 1, 0, 0};
    p.probability = {0.1F, 0.9F, 0.4F, 0.6F, 0.8F, 0.2F, 0.3F, 0.7F};
    p.patient = {1, 2, 3, 4};
    return p;
}

// `sizes` samples at each site; the first `wrong` of each site are misjudged.
inline Predictions sites(const std::vector<int>& sizes, const std::vector<int>& wrong) {
    Predictions p;
    p.classes = {"a", "b"};
    Predictions::Stratum site{"site", {}, {}}, vendor{"vendor", {"v", "w"}, {}};
    for (std::size_t s = 0; s < sizes.size(); ++s) {
        site.values.push_back("s" + std::to_string(s));
        for (int i = 0; i < sizes[s]; ++i) {
            p.label.push_back(i % 2);
            const float right = i < wrong[s] ? 0.2F : 0.9F;
            p.probability.push_back(i % 2 ? 1 - right : right);
            p.probability.push_back(i % 2 ? right : 1 - right);
            p.patient.push_back(p.patient.size());
            site.code.push_back(static_cast<std::int32_t>(s));
            vendor.code.push_back(static_cast<std::int32_t>(s % 2));
        }
    }
    p.strata = {site, vendor};
    return p;
}

// Of these samples, each once.
inline trainer::Measures measure(const Predictions& predictions, const std::vector<std::size_t>& samples,
                                 std::int32_t positive) {
    return trainer::Measurer(predictions, samples, positive, trainer::EvaluateOptions{}.bins,
                             trainer::Ranks::averaged)
        .once();
}

// By what the weights that gave these predictions are kept.
inline std::optional<double> kept_by(const Predictions& predictions, const std::string& select) {
    std::vector<std::size_t> all(predictions.samples());
    std::iota(all.begin(), all.end(), std::size_t{0});
    const trainer::Judge& judge = trainer::judge_of(predictions.task);
    return judge.kept_by(*judge.judged(predictions, all, {}, {}, trainer::Ranks::averaged), select);
}

}  // namespace made
