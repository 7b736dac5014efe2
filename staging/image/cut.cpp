#include "staging/image/cut.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "core/base/error.h"

namespace staging {
namespace {

// The nearest that the type has.
template <class T>
T nearest(double value) {
    if (std::isnan(value)) throw core::Error(core::Fault::bug, "a cut without a value");
    if constexpr (std::is_integral_v<T>) {
        if (value <= static_cast<double>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
        if (value >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
    }
    return static_cast<T>(value);
}

template <class T>
void fill(core::Array& array, const Grid& grid, const Cut& cut, double value) {
    const T one = nearest<T>(value);
    const std::size_t plane =
        static_cast<std::size_t>(grid.size[0] * grid.size[1] * grid.size[2]) * sizeof one;
    if (plane == 0 || array.bytes.size() % plane != 0)
        throw core::Error(core::Fault::bug, "a cut that is not of this volume");
    for (std::size_t channel = 0; channel < array.bytes.size(); channel += plane)
        each_removed(cut, grid, [&](std::size_t n) {
            std::memcpy(array.bytes.data() + channel + n * sizeof one, &one, sizeof one);
        });
}

template <class T>
std::vector<float> numbers(const core::Array& array) {
    std::vector<float> out(array.bytes.size() / sizeof(T));
    T one;
    for (std::size_t n = 0; n < out.size(); ++n) {
        std::memcpy(&one, array.bytes.data() + n * sizeof one, sizeof one);
        out[n] = static_cast<float>(one);
    }
    return out;
}

}  // namespace

void cut_off(core::Array& array, core::DType dtype, const Grid& grid, const Cut& cut, double value) {
    if (!cut.is_made) return;
    core::with_type(dtype, [&](auto one) { fill<decltype(one)>(array, grid, cut, value); });
}

std::vector<float> real_numbers(const core::Array& array, core::DType dtype) {
    return core::with_type(dtype, [&](auto one) { return numbers<decltype(one)>(array); });
}

}  // namespace staging
