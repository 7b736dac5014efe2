#pragma once
#include <vector>

#include "jobs/release/counts.h"

namespace jobs {

// Half a unit of the last digit of the figure that has most of them: so far all may be known, 0.8 as 0.800000. As they were written.
double sharpest_figure(const std::vector<Scope>& scopes);

// Refuses cells of a confusion of two classes that tell a small one with the sums beside them ("samples", "positives"). Rounds, all of
// an object or a row to one step and finer again where that tells nothing, the figures of one such confusion from which a small cell, or
// a small sum of two, could be worked out with the number of samples: until three or more fit (two_classes.h). `lines`: classes of
// confusions whose cells leave empty have known sizes.
//
// At most 40 million pairs of counts are looked at for a file, about a second, and 3 million at once: where these are too few, all
// figures of the object leave with two digits.
void check_together(std::vector<Scope>& scopes, double sharpest, const Lines& lines,
                    const ReleaseRules& rules, Findings& findings);

}  // namespace jobs
