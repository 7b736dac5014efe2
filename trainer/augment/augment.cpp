#include "trainer/augment/augment.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/nan_to_num.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <algorithm>

#include "core/base/error.h"
#include "trainer/augment/transforms.h"

namespace trainer {

Augment::Augment(std::vector<AugmentOptions> rows, std::uint64_t seed, const std::vector<std::int64_t>& shape)
    : rows_(std::move(rows)), seed_(seed) {
    if (rows_.empty()) return;
    const auto refuse = [](const std::string& why) {
        return core::Error(core::Fault::usage, "augment: " + why);
    };
    if (shape.size() < 2 || shape.size() > 4)
        throw refuse("the samples are neither images nor volumes: leave [[augment]] out");
    has_channels_ = shape.size() > 2;
    axes_ = shape.size() == 4 ? 3 : 2;
    sides_.assign(shape.end() - static_cast<std::ptrdiff_t>(axes_), shape.end());
    for (const AugmentOptions& row : rows_) {
        if (axes_ == 2 && row.name == "rotate" &&
            (row.axes.size() > 1 || (!row.axes.empty() && row.axes[0] != "z")))
            throw refuse("images rotate about \"z\" alone");
        if (axes_ == 2 && row.name != "rotate" && std::count(row.axes.begin(), row.axes.end(), "z") > 0)
            throw refuse(row.name + ": images have no axis \"z\"");
        if (!row.spacing.empty() && row.spacing.size() != axes_)
            throw refuse(row.name + ": spacing: expected " + std::to_string(axes_) + " lengths");
    }
}

Random Augment::stream(std::size_t row, std::int64_t epoch, std::int64_t sample) const {
    constexpr std::uint64_t kAugment = 0x61756700;  // apart from the order's and the dropout's
    return Random(Random(seed_, kAugment, row).next(), static_cast<std::uint64_t>(epoch),
                  static_cast<std::uint64_t>(sample));
}

std::vector<std::vector<Drawn>> Augment::drawn(std::span<const std::int64_t> samples,
                                               std::int64_t epoch) const {
    std::vector<std::vector<Drawn>> out(rows_.size());
    for (std::size_t r = 0; r < rows_.size(); ++r) {
        const AugmentOptions& row = rows_[r];
        if (!change_of(row.name)) continue;
        for (std::size_t n = 0; n < samples.size(); ++n) {
            Random random = stream(r, epoch, samples[n]);
            if (uniform(random, 0, 1) >= row.chance) continue;
            Drawn one{static_cast<std::int64_t>(n), uniform(random, row.least, row.most), {}};
            for (std::int64_t& key : one.keys) key = static_cast<std::int64_t>(random.next() >> 32);
            if (one.strength != neutral_of(row.name)) out[r].push_back(one);
        }
    }
    return out;
}

at::Tensor Augment::images(const at::Tensor& inputs, std::span<const std::int64_t> samples,
                           std::int64_t epoch, const Standard& standard,
                           std::span<const std::vector<std::int64_t>> centres) const {
    const at::NoGradGuard off;
    if (is_none()) return inputs;
    const std::vector<std::int64_t> sides(inputs.sizes().end() - static_cast<std::ptrdiff_t>(axes_),
                                          inputs.sizes().end());
    const Geometry where = geometry(samples, epoch, sides, centres);
    const auto all = drawn(samples, epoch);
    std::vector<bool> is_changed(samples.size());
    for (const auto& places : where.flipped)
        for (const std::int64_t place : places) is_changed[static_cast<std::size_t>(place)] = true;
    for (const std::int64_t place : where.moved) is_changed[static_cast<std::size_t>(place)] = true;
    for (const auto& row : all)
        for (const Drawn& each : row) is_changed[static_cast<std::size_t>(each.place)] = true;
    std::vector<std::int64_t> changed;
    for (std::size_t n = 0; n < samples.size(); ++n)
        if (is_changed[n]) changed.push_back(static_cast<std::int64_t>(n));
    if (changed.empty()) return inputs;

    at::Tensor out = inputs.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    at::Tensor x = has_channels_ ? out : out.unsqueeze(1);
    std::vector<std::int64_t> per_channel(static_cast<std::size_t>(x.dim()), 1);
    per_channel[1] = -1;
    const at::Tensor mean = standard.mean.view(per_channel);
    at::Tensor scale = standard.scale.view(per_channel);
    x = at::nan_to_num((x - mean) * scale, 0.0, 0.0, 0.0);
    x = placed(std::move(x), where, /*nearest=*/false);
    for (std::size_t r = 0; r < rows_.size(); ++r)
        if (!all[r].empty()) change_of(rows_[r].name)(x, all[r], rows_[r]);
    x = at::where(scale == 0, mean, x / scale + mean);
    if (!has_channels_) x = x.squeeze(1);
    const at::Tensor places = at::tensor(changed, at::kLong).to(inputs.device());
    out.index_copy_(0, places, x.index_select(0, places));
    return out;
}

at::Tensor Augment::masks(const at::Tensor& masks, std::span<const std::int64_t> samples, std::int64_t epoch,
                          std::span<const std::vector<std::int64_t>> centres) const {
    const at::NoGradGuard off;
    if (is_none()) return masks;
    const std::vector<std::int64_t> sides(masks.sizes().end() - static_cast<std::ptrdiff_t>(axes_),
                                          masks.sizes().end());
    // Wide whole numbers are exact in float64 only.
    const bool is_wide = masks.element_size() > 2 && masks.scalar_type() != at::kFloat;
    at::Tensor x = masks.to(is_wide ? at::kDouble : at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    std::vector<std::int64_t> shape{x.size(0), -1};
    shape.insert(shape.end(), sides.begin(), sides.end());
    return placed(x.reshape(shape), geometry(samples, epoch, sides, centres), /*nearest=*/true)
        .reshape(masks.sizes())
        .to(masks.scalar_type());
}

}  // namespace trainer
