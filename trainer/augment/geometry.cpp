// Where the pixels of a sample come from.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/grid_sampler.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <array>
#include <numbers>

#include "trainer/augment/augment.h"
#include "trainer/augment/transforms.h"

namespace trainer {
namespace {

// An affine map of points about the middle, in pixels, in the order x, y, z: a matrix and a shift.
struct Affine {
    std::array<std::array<double, 4>, 3> rows{{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};

    bool is_identity() const { return rows == Affine().rows; }
    // First `inner`, then this.
    Affine after(const Affine& inner) const {
        Affine out;
        for (std::size_t i = 0; i < 3; ++i)
            for (std::size_t j = 0; j < 4; ++j) {
                out.rows[i][j] = j == 3 ? rows[i][3] : 0;
                for (std::size_t k = 0; k < 3; ++k) out.rows[i][j] += rows[i][k] * inner.rows[k][j];
            }
        return out;
    }
};

bool has_axis(const AugmentOptions& options, const char* axis) {
    return options.axes.empty() ||
           std::find(options.axes.begin(), options.axes.end(), axis) != options.axes.end();
}

constexpr const char* kAxes[] = {"x", "y", "z"};

// From a pixel of the result to where it comes from: the inverse of what is done to the sample.
Affine drawn_of(const AugmentOptions& options, Random& random, std::span<const std::int64_t> sides) {
    Affine out;
    const std::size_t axes = sides.size();
    if (options.name == "scale") {
        const double factor = uniform(random, options.least, options.most);
        for (std::size_t i = 0; i < axes; ++i) out.rows[i][i] = 1 / factor;
    } else if (options.name == "translate") {
        for (std::size_t i = 0; i < axes; ++i) {
            const double by = uniform(random, options.least, options.most);
            if (has_axis(options, kAxes[i])) out.rows[i][3] = -by * static_cast<double>(sides[axes - 1 - i]);
        }
    } else if (options.name == "rotate") {
        for (std::size_t about = axes == 2 ? 2 : 0; about < 3; ++about) {
            const double angle = uniform(random, options.least, options.most) * std::numbers::pi / 180;
            if (!has_axis(options, kAxes[about])) continue;
            const std::size_t i = (about + 1) % 3, j = (about + 2) % 3;
            const auto length = [&](std::size_t axis) {  // spacing stands slowest first
                return options.spacing.empty() ? 1 : options.spacing[axes - 1 - axis];
            };
            Affine turn;
            turn.rows[i][i] = turn.rows[j][j] = std::cos(angle);
            turn.rows[i][j] = std::sin(angle) * length(j) / length(i);
            turn.rows[j][i] = -std::sin(angle) * length(i) / length(j);
            out = out.after(turn);
        }
    }
    return out;
}

}  // namespace

Augment::Geometry Augment::geometry(std::span<const std::int64_t> samples, std::int64_t epoch,
                                    std::span<const std::int64_t> sides) const {
    Geometry out;
    out.flipped.resize(axes_);
    for (std::size_t n = 0; n < samples.size(); ++n) {
        const auto place = static_cast<std::int64_t>(n);
        std::vector<bool> is_flipped(axes_);
        Affine whole;
        for (std::size_t r = 0; r < rows_.size(); ++r) {
            const AugmentOptions& row = rows_[r];
            if (change_of(row.name)) continue;
            Random random = stream(r, epoch, samples[n]);
            if (row.name == "flip") {
                for (std::size_t i = 0; i < axes_; ++i) {
                    const bool hits = uniform(random, 0, 1) < row.chance;
                    if (hits && has_axis(row, kAxes[i])) is_flipped[i] = !is_flipped[i];
                }
            } else if (uniform(random, 0, 1) < row.chance) {
                whole = whole.after(drawn_of(row, random, sides));
            }
        }
        for (std::size_t i = 0; i < axes_; ++i)
            if (is_flipped[i]) out.flipped[i].push_back(place);
        if (whole.is_identity()) continue;
        out.moved.push_back(place);
        // In grid_sampler's units, where each side goes from -1 to 1.
        for (std::size_t i = 0; i < axes_; ++i) {
            const auto mine = static_cast<double>(sides[axes_ - 1 - i]);
            for (std::size_t j = 0; j < axes_; ++j)
                out.theta.push_back(
                    static_cast<float>(whole.rows[i][j] * static_cast<double>(sides[axes_ - 1 - j]) / mine));
            out.theta.push_back(static_cast<float>(whole.rows[i][3] * 2 / mine));
        }
    }
    return out;
}

at::Tensor Augment::placed(at::Tensor values, const Geometry& geometry, bool nearest) const {
    const auto device = values.device();
    const auto axes = static_cast<std::int64_t>(axes_);
    for (std::size_t i = 0; i < axes_; ++i) {
        if (geometry.flipped[i].empty()) continue;
        const at::Tensor places = at::tensor(geometry.flipped[i], at::kLong).to(device);
        values.index_copy_(0, places, values.index_select(0, places).flip(-1 - static_cast<std::int64_t>(i)));
    }
    if (geometry.moved.empty()) return values;
    const at::Tensor places = at::tensor(geometry.moved, at::kLong).to(device);
    const at::Tensor old = values.index_select(0, places);
    const auto count = static_cast<std::int64_t>(geometry.moved.size());
    const at::Tensor theta =
        at::tensor(geometry.theta, at::kFloat).view({count, axes, axes + 1}).to(device).to(old.scalar_type());
    // Sum by sum, not as a matrix product: that may be TF32 on a GPU.
    std::vector<at::Tensor> coordinates;
    for (std::int64_t i = 0; i < axes; ++i) {
        const auto factor = [&](std::int64_t j) {
            std::vector<std::int64_t> shape(axes_ + 1, 1);
            shape[0] = count;
            return theta.select(1, i).select(1, j).view(shape);
        };
        std::vector<std::int64_t> whole(old.sizes().begin() + 2, old.sizes().end());
        whole.insert(whole.begin(), count);
        at::Tensor sum = factor(axes).expand(whole);
        for (std::int64_t j = 0; j < axes; ++j) {
            const std::int64_t side = old.size(-1 - j);
            std::vector<std::int64_t> shape(axes_ + 1, 1);
            shape[static_cast<std::size_t>(axes - j)] = side;
            const at::Tensor line = (at::arange(side, old.options()) * 2 + 1) / static_cast<double>(side) - 1;
            sum = sum + factor(j) * line.view(shape);
        }
        coordinates.push_back(sum);
    }
    const at::Tensor grid = at::stack(coordinates, -1);
    values.index_copy_(0, places,
                       at::grid_sampler(old, grid, nearest ? 1 : 0, /*border=*/1, /*align_corners=*/false));
    return values;
}

}  // namespace trainer
