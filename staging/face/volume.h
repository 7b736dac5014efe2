#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "staging/image/series.h"

namespace staging {

// A volume of one channel as faces are looked for in it: values [k, j, i] and where its voxels lie (LPS, mm).
struct HeadVolume {
    Grid grid;
    std::vector<float> values;
};

// A lattice of voxels in a volume's own axes: voxel (i, j, k) has its centre at origin + spacing x (i, j, k), mm
// along i, j and k; the volume's first voxel is at 0. i runs fastest.
struct Lattice {
    std::array<std::int64_t, 3> size{};  // i, j, k
    std::array<double, 3> spacing{}, origin{};
    std::vector<float> values;
};

// Means of blocks of about `mm`, values beyond the 0.5th and 99.5th percentile at these.
Lattice coarser(const HeadVolume& volume, double mm);
double voxels_of(const Grid& grid, double mm);  // of what it returns

// Between what is air and what is not: half of what Otsu's threshold (1979) is above the lowest value.
float air_threshold(const Lattice& lattice);

// The largest set of voxels that are connected by their sides, of those that are not 0. `size`: i, j, k.
std::vector<std::uint8_t> largest_component(const std::vector<std::uint8_t>& voxels,
                                            const std::array<std::int64_t, 3>& size);

// What holds a cube of 2 x steps + 1 voxels of those that are not 0, and only that.
std::vector<std::uint8_t> opened(const std::vector<std::uint8_t>& voxels,
                                 const std::array<std::int64_t, 3>& size, int steps);

}  // namespace staging
