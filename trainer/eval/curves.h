#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace trainer {

// Where a probability of `threshold` and more, compared as float32, is a yes: shares of samples.
struct CurvePoint {
    double threshold = 0, sensitivity = 0, specificity = 0, precision = 0;
};

// Of one class against the rest, or of one label: the ROC and the precision-recall curve (Fawcett 2006; Davis and
// Goadrich 2006), at few thresholds. Drawn in report.html and written nowhere else. Nothing keeps an author from writing
// such a curve down: the release desk takes that as any other table.
struct Curve {
    std::string name;
    std::vector<CurvePoint> points;  // the threshold falls, the last is 0
    std::string none;                // why there are no points
};

// One sample of a curve: its probability, whether it is of the class, its patient, and what stands beside the curve: a
// bit for each yes or no of which sensitivity and specificity are told (the predicted class, `points`).
struct CurveSample {
    float probability = 0;
    bool is_positive = false;
    std::uint64_t patient = 0;
    std::uint8_t told = 0;
};

// The samples of a curve by the cells between all thresholds that there are, the highest first.
struct CurveCells {
    static constexpr std::size_t kCells = 28;
    std::string name;
    bool is_scored = true;                                      // all are finite
    std::array<std::int64_t, kCells> positives{}, negatives{};  // samples
    std::array<std::array<bool, kCells + 1>, kCells + 1>
        may_be_told{};  // [first, end): together, by the rule of curves_of
};
// Linear.
CurveCells curve_cells(std::string name, std::span<const CurveSample> samples, std::int64_t least);

// The curves of one page, in the order of `cells`. All have the same thresholds, and with t also 1 - t: else curves of
// p and 1 - p would tell by their difference who lies between. There are as many points as may be so that of the samples
// between two neighbours, above the first and below the last but one, those with the class and those without it are of
// nobody or of `least` patients and more; so are those of them that figures beside the curve take for a yes, and the others,
// unless these figures tell their number already; and those that lie on a threshold. A curve that would leave the others
// fewer points than it has has none.
// Limit: patients are counted, whatever number of samples they have.
std::vector<Curve> curves_of(const std::vector<CurveCells>& cells);

}  // namespace trainer
