#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "trainer/loader/dataset.h"

namespace trainer {

// What aloft-train would say of these predictions, as JSON text: trainer/eval/METRICS.md, without what it says of a
// model and a recipe. `options` is the [evaluate] table of a recipe, in TOML. `probabilities` is [samples, classes],
// rows sum to 1; not finite: the model failed there. `samples`, in any order, must be those of the split, each
// once. Throws Error(usage) if they are not, or if `label` is no category; Error(data) if one has no label.
std::string figures(const Dataset& dataset, const std::string& split, const std::string& label,
                    const std::string& options, std::span<const std::int64_t> samples,
                    std::span<const float> probabilities);

}  // namespace trainer
