#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "jobs/release/findings.h"
#include "jobs/release/number.h"
#include "jobs/release/rules.h"

// What a rate tells of the counts that it was made of.

namespace jobs {

// What a rate may have been divided by: the sum of a row or a column of a confusion. `empty`: counts of it that leave
// empty, and that no rate may give back.
struct LineSum {
    std::int64_t whole = 0;
    std::vector<std::int64_t> empty;
    auto operator<=>(const LineSum&) const = default;
};

constexpr std::int64_t kFewestFits = 3;  // as many counts must fit a rate, else it tells one

// From 1 to smallest_count - 1.
bool is_small(std::int64_t count, const ReleaseRules& rules);

// What a rate of that key is: "recall" (sensitivity, TPR), "balanced" (a mean of it), "cell" (of a matrix of shares), "fnr", "specificity", "fpr",
// "precision", "fdr", "npv", "f1", "accuracy", or its own word; "" if it is no share of counts.
std::string rate_kind(const std::string& key);
bool is_of_class(const std::string& kind);  // the share of a row or a column of a confusion

// Whether `rate` (0 to 1), known to `half`, tells a small part or rest of `count`, or, with `count` as the part, a small rest.
bool tells_beside(double rate, double half, std::int64_t count, const ReleaseRules& rules);

// The same where the whole is one of `fewest` to `most`, none knows which: whether fewer than kFewestFits parts (or rests) fit any of
// them, and one of these is small. For a few wholes; each costs as much.
bool tells_beside_any(double rate, double half, std::int64_t fewest, std::int64_t most,
                      const ReleaseRules& rules);

// Whether it tells a small part or rest of a line, or a count of it that leaves empty.
bool tells_of(double rate, double half, const LineSum& line, const ReleaseRules& rules);
bool gives_back(double rate, double half, const LineSum& line);  // such a count only

// `number` as rates of 0 to 1, from one that may be a percentage (a value over 1, or `is_percent`); nothing for others.
bool any_reading(const Number& number, double half, bool is_percent,
                 const std::function<bool(double rate, double half)>& told);

// Half a unit of its last digit: what is not known of a number by its digits.
double half_unit(const Number& number);
constexpr double kSharpest = 5e-7;  // of any that leaves: 0.8 may be 0.800000

double top_of(const Number& number);  // 1, or 100 for what is greater than 1: per cent
bool is_misleading(const Number& rounded,
                   const Number& exact);  // by more than a quarter of all: left empty rather
void flag_rounded(const std::string& where, Findings& findings);

// Rounds to steps of 1, 2 and 5 until `told`, asked with what is not known of the number's value (half a step, and `written` for what
// its author rounded), says no; leaves it empty if no step does. Flags either. Nothing if it tells nothing as it is.
void round_until_untold(Number& number, const std::string& where, double written,
                        const std::function<bool(double half)>& told, Findings& findings);

}  // namespace jobs
