#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "trainer/eval/measure.h"

namespace trainer {

// Parts of metrics.json (METRICS.md).
// As numbers stand there: six digits behind the point, or so many `significant` ones; null for what is not defined.
nlohmann::ordered_json number(std::optional<double> value, int significant = 0);
// [low, high]: the middle 95 % of what resamplings gave; null if they gave nothing.
nlohmann::ordered_json interval(std::vector<double> values, int significant = 0);
// A count of which only tens are told; null below ten.
nlohmann::ordered_json rounded(std::int64_t count);
// {"worst_first": what stands beside the numbers, the least first, "suppressed": ...}.
nlohmann::ordered_json worst_first(std::vector<std::pair<double, nlohmann::ordered_json>> shown,
                                   const std::vector<std::string>& suppressed);
// The classes against the rest, the one that is least recognised first.
nlohmann::ordered_json classes_json(const Predictions& predictions, const EvaluateOptions& options,
                                    std::int32_t positive);
// Neighbouring bins are put together until each has enough patients. Every sample has a score.
nlohmann::ordered_json curve_json(const Predictions& predictions, const EvaluateOptions& options,
                                  const Measurer& measurer);
nlohmann::ordered_json temperature_json(const Predictions& predictions, const EvaluateOptions& options,
                                        std::int32_t positive, double temperature);

}  // namespace trainer
