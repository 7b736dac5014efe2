// Displacements of pixels.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bitwise_right_shift.h>
#include <ATen/ops/tensor.h>

#include <cmath>

#include "trainer/augment/transforms.h"

namespace trainer {
namespace {

// Half of a Gaussian's taps, its middle first; all of them add up to one.
std::vector<double> taps_of(double deviation) {
    std::vector<double> out;
    double sum = 0;
    for (std::int64_t i = 0; i <= std::llround(3 * deviation); ++i) {
        const double t = static_cast<double>(i) / deviation;
        out.push_back(std::exp(-t * t / 2));
        sum += i == 0 ? 1 : 2 * out.back();
    }
    for (double& each : out) each /= sum;
    return out;
}

}  // namespace

at::Tensor displacements(const std::vector<std::int64_t>& sides, double strength, double smoothness,
                         const std::int64_t (&keys)[2], c10::Device device) {
    std::int64_t pixels = 1;
    for (const std::int64_t side : sides) pixels *= side;
    const auto whole = at::TensorOptions(at::kLong).device(device);
    const at::Tensor mixed =
        hashed(hashed((at::arange(pixels, whole) + keys[0]) & std::int64_t{0xffffffff}) ^ keys[1]);
    at::Tensor field = (at::bitwise_right_shift(mixed, 8).to(at::kFloat) * 0x1p-23 - 1).view(sides);

    const std::vector<double> taps = taps_of(smoothness);
    const auto radius = std::ssize(taps) - 1;
    double kept = 0;  // of the variance, along one axis
    for (std::int64_t i = 0; i <= radius; ++i)
        kept += (i == 0 ? 1 : 2) * taps[static_cast<std::size_t>(i)] * taps[static_cast<std::size_t>(i)];
    for (std::size_t axis = 0; axis < sides.size(); ++axis) {
        const auto along = static_cast<std::int64_t>(axis);
        const std::int64_t side = sides[axis];
        std::vector<std::int64_t> around;  // the other end follows on each end
        for (std::int64_t i = -radius; i < side + radius; ++i) around.push_back((i % side + side) % side);
        const at::Tensor wide = field.index_select(along, at::tensor(around, at::kLong).to(device));
        const auto at = [&](std::int64_t by) { return wide.narrow(along, radius + by, side); };
        at::Tensor sum = at(0) * taps[0];
        for (std::int64_t i = 1; i <= radius; ++i)
            sum.add_((at(i) + at(-i)) * taps[static_cast<std::size_t>(i)]);
        field = sum;
    }
    // Of numbers between -1 and 1 the variance is a third.
    return field * (strength / std::sqrt(std::pow(kept, static_cast<double>(sides.size())) / 3));
}

}  // namespace trainer
