#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/eval/options.h"

namespace trainer {

// What a model said of every sample of a split, each sample once. Lives on rank 0.
struct Predictions {
    std::string task = "classification";  // by which Judge it is measured
    std::vector<std::string> classes;     // names of the model's outputs; of a regression, the column
    std::vector<std::int32_t> label;      // [samples], a class; empty unless samples are of one class
    std::vector<double> truth;            // [samples, classes], else: in the columns' units, NaN missing
    // [samples, classes] what the model says: of classes, rows sum to 1. Not finite: the model failed.
    std::vector<float> probability;
    std::vector<std::uint64_t> patient;  // [samples]: equal for the samples of one patient, and says no more
    struct Stratum {
        std::string name;                 // "site"
        std::vector<std::string> values;  // what the codes stand for
        std::vector<std::int32_t> code;   // [samples], -1 missing
        // The dataset's description lists the values; else that one is there tells of somebody.
        bool is_listed = true;
    };
    std::vector<Stratum> strata;
    // [samples, classes but the first, MaskFigures::kCount] of masks, and neither label, truth nor probability.
    std::vector<double> measured;
    std::string distance_unit = "voxel";  // of those of surfaces; or "mm"

    std::size_t samples() const noexcept { return patient.size(); }
};

// Of one class against the rest. What is divided by nothing is nothing.
struct ClassMeasures {
    std::optional<double> sensitivity, specificity, precision, f1, auroc, auprc;
};

// Over one set of samples. A measure that is not defined there (AUROC where a class is absent) is nothing.
// A sample of which the model says something that is not finite is `unscored`: it counts as not recognised,
// is in no column of the confusion, and leaves all that is computed from probabilities undefined.
struct Measures {
    std::int64_t samples = 0, unscored = 0;
    double accuracy = 0;
    std::optional<double> balanced_accuracy, loss, auroc, auprc, sensitivity, specificity, f1, brier, ece;
    std::vector<std::vector<std::int64_t>> confusion;  // [true class][predicted class]
    std::vector<ClassMeasures> by_class;               // AUROC and AUPRC only with Ranks::all
};

// Of a classification, by what weights are kept (`train.select`) and strata are compared (`evaluate.score`).
struct Score {
    std::string_view name;
    std::optional<double> (*of)(const Measures& measures);
    bool is_more_better;
    bool needs_ranks;
};
const std::vector<Score>& scores();
const Score* find_score(std::string_view name);  // nullptr if there is none

// As it stands in metrics.json and log.jsonl: six digits, null for what is not defined.
nlohmann::ordered_json to_json(const Measures& measures);

// metrics.json: METRICS.md says what is in it. `validation`: what the model said of the validation split, if there is
// one, for what is chosen there. Throws Error(data) if there are no samples.
nlohmann::ordered_json report(const Predictions& predictions, const EvaluateOptions& options,
                              const Predictions* validation = nullptr);

}  // namespace trainer
