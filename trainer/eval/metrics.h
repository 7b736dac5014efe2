#pragma once
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/base/config.h"

namespace trainer {

// What a model said of every sample of a split, each sample once. Lives on rank 0.
struct Predictions {
    std::vector<std::string> classes;
    std::vector<std::int32_t> label;     // [samples], a class
    std::vector<float> probability;      // [samples, classes], rows sum to 1; not finite: the model failed
    std::vector<std::uint64_t> patient;  // [samples]: equal for the samples of one patient, and says no more
    struct Stratum {
        std::string name;                 // "site"
        std::vector<std::string> values;  // what the codes stand for
        std::vector<std::int32_t> code;   // [samples], -1 missing
    };
    std::vector<Stratum> strata;

    std::size_t samples() const noexcept { return label.size(); }
};

// [evaluate] of a recipe.
struct EvaluateOptions {
    std::string positive;  // of two classes, the one to find; default: the second
    std::vector<std::string> strata{"site", "vendor"};  // "site*vendor" for each pair of values
    std::int64_t min_stratum = 10;                      // strata of fewer patients are suppressed
    std::int64_t bootstrap = 200;                       // resamplings of patients for the intervals; 0: none
    std::uint64_t seed = 1;

    static EvaluateOptions from(const core::Config& options);  // throws Error(usage)
};

// Over one set of samples. A measure that is not defined there (AUROC where a class is absent) is nothing.
// A sample of which the model says something that is not finite is `unscored`: it counts as not recognised,
// is in no column of the confusion, and leaves loss and AUROC of its set undefined.
struct Measures {
    std::int64_t samples = 0, unscored = 0;
    double accuracy = 0;
    std::optional<double> loss, auroc, sensitivity, specificity;
    std::vector<std::vector<std::int64_t>> confusion;  // [true class][predicted class]
};

// By what weights are kept (`train.select`: accuracy, auroc or loss; more is better). Nothing if it is not
// defined there or any sample is unscored: such weights win over none, and lose to all others.
std::optional<double> score_of(const Measures& measures, const std::string& select);

// The class to find among two; -1 among more. Throws Error(usage) if `options.positive` is none of them, or
// is given where there are not two.
std::int32_t positive_class(const EvaluateOptions& options, const std::vector<std::string>& classes);

// Loss: mean cross-entropy (natural logarithm; probabilities below 1e-12 count as that). Two classes: AUROC,
// sensitivity and specificity of `positive`. More: each class against the rest, mean over the classes that
// occur and are not all. Predicted is the most probable class, of equals the first. Linear but for AUROC's
// sort.
Measures measure(const Predictions& predictions, const std::vector<std::size_t>& samples,
                 std::int32_t positive);

// Area under the ROC curve, by ranks; ties count half (Mann and Whitney 1947). Nothing without both kinds, or
// with a score that is not finite.
std::optional<double> auroc(const std::vector<float>& score, const std::vector<bool>& is_positive);

// As it stands in metrics.json and log.jsonl: six digits, null for what is not defined.
nlohmann::ordered_json to_json(const Measures& measures);

// metrics.json: METRICS.md says what is in it. Throws Error(data) if there are no samples.
nlohmann::ordered_json report(const Predictions& predictions, const EvaluateOptions& options);

}  // namespace trainer
