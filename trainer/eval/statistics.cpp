#include "trainer/eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace trainer {

std::optional<std::pair<double, double>> interval95(std::vector<double> values) {
    std::erase_if(values, [](double value) { return !std::isfinite(value); });
    if (values.empty()) return std::nullopt;
    std::sort(values.begin(), values.end());
    const auto last = static_cast<double>(values.size() - 1);
    return std::pair(values[static_cast<std::size_t>(std::lround(0.025 * last))],
                     values[static_cast<std::size_t>(std::lround(0.975 * last))]);
}

std::optional<double> probability_of(double gap, std::vector<double> values) {
    std::erase_if(values, [](double value) { return !std::isfinite(value); });
    if (values.size() < 20 || !std::isfinite(gap)) return std::nullopt;
    const double n = static_cast<double>(values.size());
    const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
    double squares = 0;
    for (const double value : values) squares += (value - mean) * (value - mean);
    const double error = std::sqrt(squares / (n - 1));
    if (error <= 0) return gap == 0 ? 1 : 0;
    return std::erfc(std::abs(gap) / error / std::sqrt(2.0));
}

}  // namespace trainer
