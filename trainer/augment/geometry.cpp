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

// Another stream than what is drawn of the crop itself.
constexpr std::uint64_t kCentre = 0x63656e747265;

// Of a crop: the part of each side's length, drawn once, around `centre` (slowest axis first) as far as the sample has
// room there; where that is empty, anywhere.
Affine crop_of(const AugmentOptions& options, Random& random, std::span<const std::int64_t> sides,
               std::span<const std::int64_t> centre, const std::vector<bool>& is_flipped) {
    Affine out;
    const std::size_t axes = sides.size();
    const double part = uniform(random, options.least, options.most);
    for (std::size_t i = 0; i < axes; ++i) {
        const auto side = static_cast<double>(sides[axes - 1 - i]);
        const double room = side * (1 - part) / 2;  // either way of the middle
        double middle = uniform(random, -1, 1) * room;
        if (!centre.empty()) {
            const double from_middle = static_cast<double>(centre[axes - 1 - i]) - (side - 1) / 2;
            middle = std::clamp(is_flipped[i] ? -from_middle : from_middle, -room, room);
        }
        out.rows[i][i] = part;
        out.rows[i][3] = middle;
    }
    return out;
}

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
                                    std::span<const std::int64_t> sides,
                                    std::span<const std::vector<std::int64_t>> centres) const {
    Geometry out;
    out.flipped.resize(axes_);
    for (std::size_t n = 0; n < samples.size(); ++n) {
        const auto place = static_cast<std::int64_t>(n);
        std::vector<bool> is_flipped(axes_);
        Affine crop, whole;
        const std::size_t bends = out.bends.size();
        for (std::size_t r = 0; r < rows_.size(); ++r) {
            const AugmentOptions& row = rows_[r];
            if (change_of(row.name)) continue;
            Random random = stream(r, epoch, samples[n]);
            if (row.name == "flip") {
                for (std::size_t i = 0; i < axes_; ++i) {
                    const bool hits = uniform(random, 0, 1) < row.chance;
                    if (hits && has_axis(row, kAxes[i])) is_flipped[i] = !is_flipped[i];
                }
            } else if (uniform(random, 0, 1) >= row.chance) {
                continue;
            } else if (row.name == "elastic") {
                Geometry::Bend bend{
                    std::ssize(out.moved), uniform(random, row.least, row.most), row.smoothness, {}, {}};
                for (auto& of_axis : bend.keys)
                    for (std::int64_t& key : of_axis) key = static_cast<std::int64_t>(random.next() >> 32);
                for (std::size_t i = 0; i < axes_; ++i)
                    if (has_axis(row, kAxes[i])) bend.axes.push_back(i);
                if (bend.strength != 0) out.bends.push_back(std::move(bend));
            } else if (row.name != "crop") {
                whole = whole.after(drawn_of(row, random, sides));
            }
        }
        // Last, for all flips are known then.
        for (std::size_t r = 0; r < rows_.size(); ++r) {
            if (rows_[r].name != "crop") continue;
            Random random = stream(r, epoch, samples[n]);
            if (uniform(random, 0, 1) >= rows_[r].chance) continue;
            const bool is_around = uniform(random, 0, 1) < rows_[r].foreground && n < centres.size();
            crop = crop.after(crop_of(
                rows_[r], random, sides,
                is_around ? std::span<const std::int64_t>(centres[n]) : std::span<const std::int64_t>(),
                is_flipped));
        }
        whole = crop.after(whole);
        for (std::size_t i = 0; i < axes_; ++i)
            if (is_flipped[i]) out.flipped[i].push_back(place);
        if (whole.is_identity() && out.bends.size() == bends) continue;
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

Augment::Centres Augment::centres(const at::Tensor& masks, std::span<const std::int64_t> samples,
                                  std::int64_t epoch) const {
    Centres out(samples.size());
    const std::int64_t pixels = masks.size(1);
    for (std::size_t n = 0; n < samples.size(); ++n) {
        const bool is_asked = std::any_of(rows_.begin(), rows_.end(), [&](const AugmentOptions& row) {
            if (row.foreground == 0) return false;
            Random random = stream(static_cast<std::size_t>(&row - rows_.data()), epoch, samples[n]);
            return uniform(random, 0, 1) < row.chance && uniform(random, 0, 1) < row.foreground;
        });
        if (!is_asked) continue;
        const std::uint8_t* mask =
            masks.const_data_ptr<std::uint8_t>() + static_cast<std::int64_t>(n) * pixels;
        std::array<std::int64_t, 256> counts{};
        for (std::int64_t i = 0; i < pixels; ++i) ++counts[mask[i]];
        std::vector<std::uint8_t> there;
        for (std::size_t c = 1; c < counts.size(); ++c)
            if (counts[c] > 0) there.push_back(static_cast<std::uint8_t>(c));
        if (there.empty()) continue;
        Random random(Random(seed_, kCentre, 0).next(), static_cast<std::uint64_t>(epoch),
                      static_cast<std::uint64_t>(samples[n]));
        const std::uint8_t chosen = there[random.below(there.size())];
        auto left = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(counts[chosen])));
        std::int64_t place = 0;
        while (mask[place] != chosen || left-- > 0) ++place;
        for (std::size_t axis = axes_; axis-- > 0; place /= sides_[axis])
            out[n].insert(out[n].begin(), place % sides_[axis]);
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
    for (const Geometry::Bend& bend : geometry.bends) {
        const std::vector<std::int64_t> sides(old.sizes().begin() + 2, old.sizes().end());
        for (const std::size_t i : bend.axes) {
            const at::Tensor by = displacements(sides, bend.strength, bend.smoothness, bend.keys[i], device)
                                      .to(old.scalar_type());
            coordinates[i].select(0, bend.which).add_(by * (2 / static_cast<double>(sides[axes_ - 1 - i])));
        }
    }
    const at::Tensor grid = at::stack(coordinates, -1);
    values.index_copy_(0, places,
                       at::grid_sampler(old, grid, nearest ? 1 : 0, /*border=*/1, /*align_corners=*/false));
    return values;
}

}  // namespace trainer
