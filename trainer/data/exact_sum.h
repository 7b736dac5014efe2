#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

namespace trainer {

// A sum of doubles without rounding (after Kulisch's accumulator): halves of each significand are added to
// integers, one per exponent. Integers add up to the same in any order, so that sums over any number of ranks
// are equal to the last bit. Room for 2^36 values.
class ExactSum {
public:
    static constexpr std::size_t kBins = 2176;

    void add(double value) {  // finite
        int exponent = 0;
        const double fraction = std::frexp(value, &exponent);  // |fraction| in [0.5, 1)
        const auto significand = static_cast<std::int64_t>(std::ldexp(fraction, 53));
        const std::int64_t high = significand >> 27, low = significand & ((std::int64_t{1} << 27) - 1);
        bins_[static_cast<std::size_t>(exponent - 26 + kZero)] += high;
        bins_[static_cast<std::size_t>(exponent - 53 + kZero)] += low;
    }
    // Carries first, so that what cancels has cancelled; then the bits from the highest on. Overflow is above
    // the largest double, and far above what data hold.
    double value() const {
        std::vector<std::int64_t> bits = bins_;
        for (std::size_t i = 0; i + 1 < kBins; ++i) {
            bits[i + 1] += bits[i] >> 1;  // floor: the rest is 0 or 1
            bits[i] &= 1;
        }
        long double sum = 0;
        for (std::size_t i = kBins; i-- > 0;)
            if (bits[i]) sum += std::ldexp(static_cast<long double>(bits[i]), static_cast<int>(i) - kZero);
        return static_cast<double>(sum);
    }
    // What to add up over ranks, element by element.
    std::vector<std::int64_t>& bins() noexcept { return bins_; }

private:
    static constexpr int kZero = 1130;  // the smallest exponent that occurs is -1073 - 53
    std::vector<std::int64_t> bins_ = std::vector<std::int64_t>(kBins);
};

}  // namespace trainer
