#pragma once
#include <optional>
#include <vector>

#include "trainer/eval/metrics.h"

namespace trainer {

// What is chosen on the validation split, never on the samples that figures are of.
struct Chosen {
    std::optional<double> temperature;
    std::vector<std::optional<double>> thresholds;  // of each of the options' points; nothing: not to be had
};

// `validation`: nullptr if there is none, or figures are of it. Thresholds are chosen among the multiples of 0.001.
Chosen choose(const EvaluateOptions& options, std::int32_t positive, const Predictions* validation);

// The temperature that makes the loss least: probabilities p become p^(1/T), to sum 1 (Guo et al. 2017). Between
// 0.01 and 100; nothing without samples, or if one is unscored.
std::optional<double> fit_temperature(const Predictions& predictions);
Predictions scaled(const Predictions& predictions, double temperature);

// Whether a probability is of `threshold` and more: as float32, which 0.9 is not, but its nearest.
inline bool reaches(float probability, double threshold) {
    return probability >= static_cast<float>(threshold);
}

// The threshold by which the point is reached at the least cost: the highest for a sensitivity, the lowest for a
// specificity. Nothing if there is none.
std::optional<double> threshold_of(const Point& point, const Predictions& predictions, std::int32_t positive);

}  // namespace trainer
