#pragma once
#include <functional>
#include <string>
#include <vector>

#include "trainer/eval/metrics.h"

namespace trainer {

// One value of a stratum ("north * acme") and its samples.
struct Group {
    std::string stratum, value;
    std::vector<std::size_t> samples;
    bool hidden = false;
};

// All groups of the wanted strata, by stratum and value; those of which nothing may be told are hidden.
// `are_of_few`: whether sums over these samples tell of somebody although the patients are enough.
using AreOfFew = std::function<bool(const std::vector<std::size_t>& samples)>;
std::vector<Group> groups_of(const Predictions& predictions, const EvaluateOptions& options,
                             const AreOfFew& are_of_few = nullptr);

// The classes of which too little may be told: of few patients, or such that those would follow from the others and
// the whole.
std::vector<bool> hidden_classes(const Predictions& predictions, const EvaluateOptions& options);

std::vector<std::size_t> all_of(const Predictions& predictions);
std::int64_t patients_of(const Predictions& predictions, const std::vector<std::size_t>& samples);

}  // namespace trainer
