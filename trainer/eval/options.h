#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/config.h"

namespace trainer {

class Judge;

// Where a probability becomes a yes, of two classes.
struct Point {
    enum class By { threshold, sensitivity, specificity };
    By by = By::threshold;
    double value = 0;  // the threshold, or what is to be reached on the validation split
};

// [evaluate] of a recipe.
struct EvaluateOptions {
    std::string positive;  // of two classes, the one to find; default: the second
    std::vector<std::string> strata{"site", "vendor"};  // columns, or "site*vendor" for each pair of values
    std::string score = "balanced_accuracy";            // by which strata are compared
    std::vector<Point> points;
    std::int64_t min_stratum = 10;  // strata of fewer patients are suppressed
    std::int64_t bootstrap = 200;   // resamplings of patients for the intervals; 0: none
    std::uint64_t seed = 1;
    std::int64_t bins = 15;        // of equal width, for calibration
    double surface_tolerance = 1;  // of masks: within which surfaces agree, in the unit of distances
    bool uses_spacing = true;      // distances are in mm where the dataset has columns of its pixels' spacing
    std::vector<std::string>
        flips;                // axes of samples, in order: what is said is the mean over all their flips
    bool temperature = true;  // said how much scaling by one that fits the validation split would mend

    static EvaluateOptions from(const core::Config& options, const Judge& judge);  // throws Error(usage)
};

// As a recipe has it: "0.5", "sensitivity >= 0.95", "specificity >= 0.9". Throws Error(usage).
Point parse_point(const std::string& text);
std::string to_text(const Point& point);

// The columns that strata are made of, each once.
std::vector<std::string> columns_of(const std::vector<std::string>& strata);

// The class to find among two; -1 among more. Throws Error(usage) if `options.positive` is none of them, or
// is given where there are not two, or points are.
std::int32_t positive_class(const EvaluateOptions& options, const std::vector<std::string>& classes);

}  // namespace trainer
