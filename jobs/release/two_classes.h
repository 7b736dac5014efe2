#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jobs/release/rules.h"

// What several figures of one confusion of two classes tell of its cells together: every confusion of whole numbers that fits them
// all is looked at.

namespace jobs {

// From `low` to `high`, as a share (0 to 1; mcc and kappa from -1). `kind` as rate_kind says, of the class that is looked for; "youden",
// "error", "f2" and "jaccard" too.
struct Figure {
    std::string kind;
    double low = 0, high = 0;
};
bool is_figure(const std::string& kind);

// What is known exactly.
struct KnownCounts {
    std::optional<std::int64_t> all, positives, negatives;
    std::optional<std::int64_t> tp, fn, fp, tn;
};

// `nothing_fits`: they are of no one confusion. `not_known`: more confusions than may be looked at, or nothing that bounds them.
enum class Tells { no, yes, nothing_fits, not_known };

// Whether of a cell, or of a sum of two, fewer than kFewestFits values fit, and one of these is small. Of what is known exactly nothing
// is asked. No confusion at all fits figures that are means over more classes: these tell nothing. Each pair (positives, tp) that
// is looked at takes one from `work`, some ten nanoseconds; at 0 it ends with not_known.
Tells tells_together(const std::vector<Figure>& figures, const KnownCounts& known, const ReleaseRules& rules,
                     std::size_t& work);

}  // namespace jobs
