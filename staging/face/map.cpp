#include "staging/face/map.h"

#include <cmath>

#include "core/base/error.h"

namespace staging {

std::array<double, 3> mapped(const Map& map, const std::array<double, 3>& point) noexcept {
    std::array<double, 3> out{};
    for (std::size_t row = 0; row < 3; ++row)
        out[row] = map[row * 4] * point[0] + map[row * 4 + 1] * point[1] + map[row * 4 + 2] * point[2] +
                   map[row * 4 + 3];
    return out;
}

Map after(const Map& second, const Map& first) noexcept {
    Map out{};
    for (std::size_t row = 0; row < 3; ++row)
        for (std::size_t column = 0; column < 4; ++column) {
            double sum = column == 3 ? second[row * 4 + 3] : 0;
            for (std::size_t n = 0; n < 3; ++n) sum += second[row * 4 + n] * first[n * 4 + column];
            out[row * 4 + column] = sum;
        }
    return out;
}

double determinant(const Map& m) noexcept {
    return m[0] * (m[5] * m[10] - m[6] * m[9]) - m[1] * (m[4] * m[10] - m[6] * m[8]) +
           m[2] * (m[4] * m[9] - m[5] * m[8]);
}

Map inverse(const Map& m) {
    const auto minor = [&](std::size_t r0, std::size_t r1, std::size_t c0, std::size_t c1) {
        return m[r0 * 4 + c0] * m[r1 * 4 + c1] - m[r0 * 4 + c1] * m[r1 * 4 + c0];
    };
    const double det = determinant(m);
    if (!(std::abs(det) > 1e-12)) throw core::Error(core::Fault::bug, "a map without an inverse");
    Map out{minor(1, 2, 1, 2) / det,  -minor(0, 2, 1, 2) / det, minor(0, 1, 1, 2) / det,  0,
            -minor(1, 2, 0, 2) / det, minor(0, 2, 0, 2) / det,  -minor(0, 1, 0, 2) / det, 0,
            minor(1, 2, 0, 1) / det,  -minor(0, 2, 0, 1) / det, minor(0, 1, 0, 1) / det,  0};
    const std::array<double, 3> shift = mapped(out, {m[3], m[7], m[11]});
    for (std::size_t row = 0; row < 3; ++row) out[row * 4 + 3] = -shift[row];
    return out;
}

}  // namespace staging
