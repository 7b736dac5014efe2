#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "core/shard/writer.h"
#include "staging/image/series.h"

namespace staging {

// What is cut off a volume: all that lies beyond one of these planes, n x p > d with p in LPS mm, as (n, d).
struct Cut {
    static constexpr std::size_t kPlanes = 3;
    std::array<std::array<double, 4>, kPlanes> planes{};
    std::uint64_t is_made = 0;  // 0: nothing is cut
    double value = 0;           // what stands there afterwards

    bool removes(const std::array<double, 3>& point) const noexcept {
        for (const auto& n : planes)
            if (n[0] * point[0] + n[1] * point[1] + n[2] * point[2] > n[3]) return true;
        return false;
    }
};

// Calls `at` with the number of each voxel (k x rows + j) x columns + i that is cut off.
template <class At>
void each_removed(const Cut& cut, const Grid& grid, At at) {
    if (!cut.is_made) return;
    const Affine& a = grid.affine;
    std::size_t n = 0;
    for (std::int64_t k = 0; k < grid.size[0]; ++k)
        for (std::int64_t j = 0; j < grid.size[1]; ++j)
            for (std::int64_t i = 0; i < grid.size[2]; ++i, ++n) {
                const auto x = static_cast<double>(i), y = static_cast<double>(j), z = static_cast<double>(k);
                if (cut.removes({a[0] * x + a[1] * y + a[2] * z + a[3], a[4] * x + a[5] * y + a[6] * z + a[7],
                                 a[8] * x + a[9] * y + a[10] * z + a[11]}))
                    at(n);
            }
}

// An array [C, D, H, W] on `grid`, of elements of `dtype`: what is cut off has the value `value`, or
// the nearest that the type has, in all channels.
void cut_off(core::Array& array, core::DType dtype, const Grid& grid, const Cut& cut, double value);

// The elements of an array as floats.
std::vector<float> real_numbers(const core::Array& array, core::DType dtype);

}  // namespace staging
