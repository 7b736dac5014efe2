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
    std::vector<float> probability;      // [samples, classes], rows sum to 1
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
    std::int64_t min_stratum = 10;                      // smaller strata are suppressed
    std::int64_t bootstrap = 200;                       // resamplings of patients for the intervals; 0: none
    std::uint64_t seed = 1;

    static EvaluateOptions from(const core::Config& options);  // throws Error(usage)
};

// Over one set of samples. A measure that is not defined there (AUROC where a class is absent) is nothing.
struct Measures {
    std::int64_t samples = 0;
    double loss = 0, accuracy = 0;
    std::optional<double> auroc, sensitivity, specificity;
    std::vector<std::vector<std::int64_t>> confusion;  // [true class][predicted class]
};

// The class to find among two; -1 among more. Throws Error(usage) if `options.positive` is none of them.
std::int32_t positive_class(const EvaluateOptions& options, const std::vector<std::string>& classes);

// Loss: mean cross-entropy (natural logarithm; probabilities below 1e-12 count as that). Two classes: AUROC,
// sensitivity and specificity of `positive`. More: each class against the rest, mean over the classes that
// occur and are not all. Predicted is the most probable class, of equals the first. Linear but for AUROC's
// sort.
Measures measure(const Predictions& predictions, const std::vector<std::size_t>& samples,
                 std::int32_t positive);

// Area under the ROC curve, by ranks; ties count half (Mann and Whitney 1947). Nothing without both kinds.
std::optional<double> auroc(const std::vector<float>& score, const std::vector<bool>& is_positive);

// metrics.json: METRICS.md says what is in it. Throws Error(data) if there are no samples.
nlohmann::ordered_json report(const Predictions& predictions, const EvaluateOptions& options);

}  // namespace trainer
