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
};

// Each column, and the mean of each field's elements, of each site against the other sites. Numbers: Welch's t (1947); categories
// and missing values: Pearson's chi-squared, categories of fewer than 5 expected taken together (Cochran 1954). Sites of fewer
// than 10 samples, and what would leave one category, are not compared. p takes samples for independent, which those of one
// patient are not: it is too small where patients have several, and the effect says what matters.
std::vector<Drift> drift_of(const Quality& quality);

// Numbers: two digits, null where infinite.
nlohmann::ordered_json to_json(const std::vector<Drift>& drift);

}  // namespace staging
