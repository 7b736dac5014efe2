#pragma once
#include <algorithm>

namespace trainer {

// The parts of a sum of what is 0 or more, one for each patient. Magnitudes have dominance: of n patients of whom one is
// far off, a root mean square times the root of n is that one's error, whatever n is. The p% rule (Hundepool et al.,
// Handbook on Statistical Disclosure Control, ch. 4), p = 50: a sum is unsafe if what remains of it without its two
// greatest parts is less than p% of the greatest.
class Parts {
public:
    void add(double part) {
        sum_ += part;
        second_ = std::max(second_, std::min(first_, part));
        first_ = std::max(first_, part);
    }
    bool are_unsafe() const { return sum_ - first_ - second_ < kRemainder * first_; }

private:
    static constexpr double kRemainder = 0.5;
    double sum_ = 0, first_ = 0, second_ = 0;
};

}  // namespace trainer
