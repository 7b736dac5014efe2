#pragma once
#include <string>

#include "trainer/eval/metrics.h"
#include "trainer/loader/dataset.h"

namespace trainer {

// Adds the columns that `options.strata` names and `predictions` do not have yet: categories by their names, whole
// numbers as "age_40". Predictions are of all samples of the split, in stored order. Throws Error(usage) if a column
// is not there, is neither of the two, or has more than 20 numbers; `site` and `vendor` need not be there.
void add_strata(Predictions& predictions, const Dataset& dataset, const std::string& split,
                const std::string& label, const EvaluateOptions& options);

}  // namespace trainer
