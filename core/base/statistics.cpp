#include "core/base/statistics.h"

#include <algorithm>
#include <numeric>

namespace core {

std::vector<double> holm(const std::vector<double>& p) {
    std::vector<std::size_t> order(p.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
    std::vector<double> out(p.size());
    double before = 0;
    for (std::size_t k = 0; k < order.size(); ++k)
        out[order[k]] = before =
            std::max(before, std::min(1.0, static_cast<double>(p.size() - k) * p[order[k]]));
    return out;
}

}  // namespace core
