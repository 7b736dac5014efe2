#pragma once
#include <vector>

#include "jobs/release/counts.h"

namespace jobs {

// Adds, for tables whose rows name a measure each ("measure,value" with rows "samples" and "recall"; lists of such objects;
// {"recall": {"benign": 0.9}, "support": {"benign": 40}}), what stands in one column of them as one scope, under the names of the measures.
// So a figure is read with its denominator in another row. An item of those that were there is in one of these at most.
void add_regrouped(std::vector<Scope>& scopes);

}  // namespace jobs
