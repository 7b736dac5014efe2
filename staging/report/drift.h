#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "staging/report/quality.h"

namespace staging {

// How a delivery differs from all others together in one thing.
struct Drift {
    std::string what, site;  // "image (mean)", "age", "age (missing)"
    enum class Kind { number, category, missing } kind = Kind::number;
    std::int64_t samples = 0;  // of the site that were compared
    // Numbers: distance of the means in standard deviations (Cohen 1988), infinite where nothing varies. Else: Cramer's V, 0 to 1.
    double effect = 0;
    double p = 1, adjusted = 1;  // adjusted: for all that is compared (Holm 1979)
    // Why no figure stands here. few: fewer than 10 samples of the site or of the others. not_finite: squares beyond double.
    // all_rare: no category is frequent enough to be expected 5 times.
    enum class Why { compared, few, not_finite, all_rare } not_compared = Why::compared;
};

// Each column, and the mean of each field's elements, of each site against the other sites. Numbers: Welch's t (1947); categories
// and missing values: Pearson's chi-squared, categories of fewer than 5 expected taken together (Cochran 1954). Where they are
// fewer than 5 together too, they stand in the effect, and p is twice the smaller of the chi-squared of the frequent ones and
// the exact test of rare against frequent (Fisher, both sides). What is one category everywhere is no entry. p takes samples for
// independent, which those of one patient are not: it is too small where patients have several, and the effect says what
// matters. Throws nothing for any values.
std::vector<Drift> drift_of(const Quality& quality);

inline constexpr const char* kFewSamples = "fewer than 10 samples";  // in "not_compared"

// Numbers: two digits, null where infinite. What was not compared has null for each, and says why in "not_compared".
nlohmann::ordered_json to_json(const std::vector<Drift>& drift);

}  // namespace staging
