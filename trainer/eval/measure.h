#pragma once
#include <cstdint>
#include <vector>

#include "trainer/eval/metrics.h"

namespace trainer {

// What is sorted for: nothing (no AUROC, no AUPRC), the positive class of two and all of more, or each class.
enum class Ranks { none, averaged, all };

// Measures of some samples, each as often as it is said: what is sorted and worked out once serves all
// resamplings. METRICS.md defines the measures. Keeps a reference to `predictions`.
class Measurer {
public:
    // `positive`: positive_class. `samples`, each once, are places in `predictions`.
    Measurer(const Predictions& predictions, std::vector<std::size_t> samples, std::int32_t positive,
             std::int64_t bins, Ranks ranks);

    // `times[i]`: how often sample i of `predictions` counts. Linear.
    Measures of(const std::vector<std::uint32_t>& times) const;
    Measures once() const;  // each sample once

    // Of a set of calibration bins: how many samples, the mean of what was predicted, how many of them it came
    // true for. Bin k of n holds predictions from k / n to below (k + 1) / n; the last one 1 too.
    struct Bin {
        double samples = 0, predicted = 0, observed = 0;  // sums
    };
    // Two classes: the probability of the positive one. More: that of the predicted one, and whether it is right.
    std::vector<Bin> bins(const std::vector<std::uint32_t>& times) const;
    // Of each of `samples`; -1 unscored.
    const std::vector<std::int32_t>& bin_of() const noexcept { return bin_; }

private:
    struct Ranked {
        std::size_t target;
        std::vector<std::size_t> order;  // places in samples_, the highest probability first
        std::vector<bool> ties;          // with the one before
    };
    void rank(std::size_t target);
    void add_ranks(const std::vector<std::uint32_t>& times, Measures& out) const;

    const Predictions& predictions_;
    std::vector<std::size_t> samples_;
    std::size_t bin_count_;
    std::vector<std::size_t> targets_;  // classes that are averaged over
    std::vector<Ranked> ranked_;
    // Of each sample:
    std::vector<std::int32_t> guess_, bin_;  // -1 unscored
    std::vector<double> loss_, brier_, predicted_;
    std::vector<bool> observed_;
};

}  // namespace trainer
