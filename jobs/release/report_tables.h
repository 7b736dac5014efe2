#pragma once
#include <vector>

#include "jobs/release/differencing.h"
#include "jobs/release/document.h"

namespace jobs {

// The sizes of strata in a report of aloft-train (trainer/eval/METRICS.md) with their totals: the whole for
// "site", the sites and vendors for "site*vendor". Empty for any other document.
std::vector<CountCell> report_cells(const Value& document);

}  // namespace jobs
