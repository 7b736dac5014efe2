#include "staging/face/volume.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace staging {
namespace {

using Size = std::array<std::int64_t, 3>;

double spacing_of(const Grid& grid, std::size_t axis) {
    const Affine& a = grid.affine;
    return std::hypot(a[axis], a[4 + axis], a[8 + axis]);
}

// Voxels along an axis (i, j, k) of which a mean is made.
std::int64_t block_of(const Grid& grid, std::size_t axis, double mm) {
    const double voxels = std::round(mm / spacing_of(grid, axis)),
                 most = static_cast<double>(grid.size[2 - axis]);
    return static_cast<std::int64_t>(std::max(std::min(voxels, most), 1.0));
}

// Each voxel becomes the least (or the greatest) of those within `steps` of it along one axis. Beyond the edge lies
// nothing: 0.
void along(std::vector<std::uint8_t>& voxels, const Size& size, int axis, int steps, bool least) {
    const std::int64_t stride = axis == 0 ? 1 : axis == 1 ? size[0] : size[0] * size[1];
    const std::int64_t length = size[static_cast<std::size_t>(axis)];
    std::vector<std::uint8_t> line(static_cast<std::size_t>(length));
    const auto all = static_cast<std::int64_t>(voxels.size());
    for (std::int64_t first = 0; first < all; ++first) {
        if (first / stride % length != 0) continue;
        for (std::int64_t n = 0; n < length; ++n)
            line[static_cast<std::size_t>(n)] = voxels[static_cast<std::size_t>(first + n * stride)];
        for (std::int64_t n = 0; n < length; ++n) {
            bool value = least;
            for (std::int64_t m = n - steps; m <= n + steps; ++m) {
                const bool here = m >= 0 && m < length && line[static_cast<std::size_t>(m)] != 0;
                value = least ? value && here : value || here;
            }
            voxels[static_cast<std::size_t>(first + n * stride)] = value;
        }
    }
}

}  // namespace

double voxels_of(const Grid& grid, double mm) {
    double out = 1;
    for (std::size_t axis = 0; axis < 3; ++axis)
        out *= static_cast<double>(grid.size[2 - axis] / block_of(grid, axis, mm));
    return out;
}

Lattice coarser(const HeadVolume& volume, double mm) {
    Lattice out;
    Size block{}, from{};
    for (std::size_t axis = 0; axis < 3; ++axis) {
        const double spacing = spacing_of(volume.grid, axis);
        from[axis] = volume.grid.size[2 - axis];
        block[axis] = block_of(volume.grid, axis, mm);
        out.size[axis] = from[axis] / block[axis];  // what is left over at an end is less than a block
        out.spacing[axis] = spacing * static_cast<double>(block[axis]);
        out.origin[axis] = spacing * static_cast<double>(block[axis] - 1) / 2;
    }
    const auto count = static_cast<std::size_t>(out.size[0] * out.size[1] * out.size[2]);
    std::vector<double> sums(count);
    for (std::int64_t k = 0; k < out.size[2] * block[2]; ++k)
        for (std::int64_t j = 0; j < out.size[1] * block[1]; ++j) {
            const float* row = &volume.values[static_cast<std::size_t>((k * from[1] + j) * from[0])];
            double* to =
                &sums[static_cast<std::size_t>((k / block[2] * out.size[1] + j / block[1]) * out.size[0])];
            for (std::int64_t i = 0; i < out.size[0] * block[0]; ++i) to[i / block[0]] += row[i];
        }
    const auto voxels = static_cast<double>(block[0] * block[1] * block[2]);
    out.values.resize(count);
    std::ranges::transform(sums, out.values.begin(),
                           [&](double sum) { return static_cast<float>(sum / voxels); });
    std::vector<float> sorted(out.values);
    const auto percentile = [&](double part) {
        const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(count - 1));
        std::nth_element(sorted.begin(), at, sorted.end());
        return *at;
    };
    const float low = percentile(0.005), high = percentile(0.995);
    for (float& value : out.values) value = std::clamp(value, low, high);
    return out;
}

float air_threshold(const Lattice& lattice) {
    constexpr std::size_t kBins = 256;
    const auto [least, greatest] = std::ranges::minmax_element(lattice.values);
    const double low = *least, width = (*greatest - *least) / static_cast<double>(kBins);
    if (!(width > 0)) return *greatest;
    std::array<double, kBins> counts{};
    for (const float value : lattice.values)
        ++counts[std::min<std::size_t>(static_cast<std::size_t>((value - low) / width), kBins - 1)];
    double all = 0, sum = 0;
    for (std::size_t i = 0; i < kBins; ++i) all += counts[i], sum += counts[i] * static_cast<double>(i);
    double below = 0, sum_below = 0, best = -1;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < kBins; ++i) {
        below += counts[i], sum_below += counts[i] * static_cast<double>(i);
        if (below == 0 || below == all) continue;
        const double apart = sum_below / below - (sum - sum_below) / (all - below);
        const double between = below * (all - below) * apart * apart;
        if (between > best) best = between, at = i;
    }
    return static_cast<float>(low + width * static_cast<double>(at + 1) / 2);
}

std::vector<std::uint8_t> largest_component(const std::vector<std::uint8_t>& voxels, const Size& size) {
    std::vector<std::int32_t> part(voxels.size(), 0);
    std::vector<std::size_t> waiting;
    std::int32_t parts = 0, largest = 0;
    std::size_t most = 0;
    const auto row = static_cast<std::size_t>(size[0]), plane = row * static_cast<std::size_t>(size[1]);
    for (std::size_t start = 0; start < voxels.size(); ++start) {
        if (!voxels[start] || part[start]) continue;
        part[start] = ++parts;
        waiting.push_back(start);
        std::size_t count = 0;
        while (!waiting.empty()) {
            const std::size_t at = waiting.back();
            waiting.pop_back();
            ++count;
            const auto visit = [&](bool inside, std::size_t next) {
                if (!inside || !voxels[next] || part[next]) return;
                part[next] = parts;
                waiting.push_back(next);
            };
            visit(at % row > 0, at - 1);
            visit(at % row + 1 < row, at + 1);
            visit(at % plane >= row, at - row);
            visit(at % plane + row < plane, at + row);
            visit(at >= plane, at - plane);
            visit(at + plane < voxels.size(), at + plane);
        }
        if (count > most) most = count, largest = parts;
    }
    std::vector<std::uint8_t> out(voxels.size());
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = parts > 0 && part[i] == largest;
    return out;
}

std::vector<std::uint8_t> opened(const std::vector<std::uint8_t>& voxels, const Size& size, int steps) {
    std::vector<std::uint8_t> out(voxels);
    for (const bool least : {true, false})
        for (int axis = 0; axis < 3; ++axis) along(out, size, axis, steps, least);
    return out;
}

}  // namespace staging
