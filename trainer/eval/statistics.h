#pragma once
#include <optional>
#include <utility>
#include <vector>

namespace trainer {

// The middle 95 % of what resamplings gave, where they gave something finite; nothing if none did.
std::optional<std::pair<double, double>> interval95(std::vector<double> values);

// Of a gap that is not there, how probable one as large is: two-sided, with the error that resampling shows, as if
// normal (percentiles could not tell small ones, and there are many strata). Nothing if it was seldom defined.
std::optional<double> probability_of(double gap, std::vector<double> values);

}  // namespace trainer
