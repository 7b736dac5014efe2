// Transforms of intensities. All but sums over a channel is done value by value, and noise is a hash of its place: so CPU
// and GPU differ in rounding only.
#include <ATen/TensorOperators.h>
#include <ATen/ops/_upsample_nearest_exact2d.h>
#include <ATen/ops/_upsample_nearest_exact3d.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/amin.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bitwise_right_shift.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/clone.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/log.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/upsample_trilinear3d.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <numbers>

#include "trainer/augment/transforms.h"

namespace trainer {
namespace {

at::Tensor places_of(const at::Tensor& x, const std::vector<Drawn>& drawn) {
    std::vector<std::int64_t> places;
    for (const Drawn& each : drawn) places.push_back(each.place);
    return at::tensor(places, at::kLong).to(x.device());
}

// One number for each sample that is drawn, as float32 [m, 1, 1, ...] on the device.
at::Tensor column(const at::Tensor& x, std::vector<double> values) {
    std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
    shape[0] = static_cast<std::int64_t>(values.size());
    return at::tensor(values, at::kFloat).view(shape).to(x.device());
}

at::Tensor strengths(const at::Tensor& x, const std::vector<Drawn>& drawn) {
    std::vector<double> values;
    for (const Drawn& each : drawn) values.push_back(each.strength);
    return column(x, std::move(values));
}

std::vector<std::int64_t> spatial(const at::Tensor& x) {
    std::vector<std::int64_t> out;
    for (std::int64_t i = 2; i < x.dim(); ++i) out.push_back(i);
    return out;
}

void brightness(at::Tensor& x, const std::vector<Drawn>& drawn, const AugmentOptions&) {
    const at::Tensor places = places_of(x, drawn);
    x.index_copy_(0, places, x.index_select(0, places) + strengths(x, drawn));
}

void contrast(at::Tensor& x, const std::vector<Drawn>& drawn, const AugmentOptions&) {
    const at::Tensor places = places_of(x, drawn);
    const at::Tensor old = x.index_select(0, places);
    // Of each sample by itself: threads add up one in another order than several.
    std::vector<at::Tensor> means;
    for (const Drawn& each : drawn)
        means.push_back(x.narrow(0, each.place, 1).clone().mean(spatial(x), true));
    const at::Tensor mean = at::cat(means), least = old.amin(spatial(x), true),
                     most = old.amax(spatial(x), true);
    x.index_copy_(0, places, ((old - mean) * strengths(x, drawn) + mean).clamp(least, most));
}

void gamma(at::Tensor& x, const std::vector<Drawn>& drawn, const AugmentOptions&) {
    const at::Tensor places = places_of(x, drawn);
    const at::Tensor old = x.index_select(0, places);
    const at::Tensor least = old.amin(spatial(x), true), range = old.amax(spatial(x), true) - least;
    const at::Tensor bent = at::pow(((old - least) / range).clamp(0, 1), strengths(x, drawn)) * range + least;
    x.index_copy_(0, places, at::where(range > 0, bent, old));
}

// Box and Muller's normal values, of two numbers of 24 bits each.
void noise(at::Tensor& x, const std::vector<Drawn>& drawn, const AugmentOptions&) {
    const at::Tensor places = places_of(x, drawn);
    const at::Tensor old = x.index_select(0, places);
    const auto samples = static_cast<std::int64_t>(drawn.size());
    std::vector<std::int64_t> keys;
    for (const Drawn& each : drawn) keys.insert(keys.end(), std::begin(each.keys), std::end(each.keys));
    const at::Tensor key = at::tensor(keys, at::kLong).view({samples, 3}).to(x.device());
    const at::Tensor place =
        at::arange(old.numel() / samples, at::TensorOptions(at::kLong).device(x.device())).unsqueeze(0);
    const at::Tensor mixed = hashed((place + key.narrow(1, 0, 1)) & std::int64_t{0xffffffff});
    const auto fraction = [&](std::int64_t which) {
        return at::bitwise_right_shift(hashed(mixed ^ key.narrow(1, which, 1)), 8).to(at::kFloat);
    };
    const at::Tensor radius = at::sqrt(at::log((fraction(1) + 1) * 0x1p-24) * -2),
                     turn = at::cos(fraction(2) * (2 * std::numbers::pi * 0x1p-24));
    x.index_copy_(0, places, old + (radius * turn).view(old.sizes()) * strengths(x, drawn));
}

void blur(at::Tensor& x, const std::vector<Drawn>& drawn, const AugmentOptions& options) {
    const at::Tensor places = places_of(x, drawn);
    at::Tensor values = x.index_select(0, places);
    const auto radius = static_cast<std::int64_t>(std::ceil(3 * options.most));
    // [tap][sample]: those of a sample add up to one
    std::vector<std::vector<double>> taps(static_cast<std::size_t>(radius) + 1);
    for (const Drawn& each : drawn) {
        std::vector<double> mine;
        double sum = 0;
        for (std::int64_t i = 0; i <= radius; ++i) {
            const double t = static_cast<double>(i) / each.strength;
            mine.push_back(std::exp(-t * t / 2));
            sum += i == 0 ? 1 : 2 * mine.back();
        }
        for (std::size_t i = 0; i < mine.size(); ++i) taps[i].push_back(mine[i] / sum);
    }
    std::vector<at::Tensor> weights;
    for (auto& each : taps) weights.push_back(column(x, std::move(each)));
    for (const std::int64_t axis : spatial(x)) {
        const std::int64_t last = values.size(axis) - 1;
        const at::Tensor line = at::arange(last + 1, at::TensorOptions(at::kLong).device(x.device()));
        const auto shifted = [&](std::int64_t by) {
            return values.index_select(axis, (line + by).clamp(0, last));
        };
        at::Tensor sum = values * weights[0];
        for (std::int64_t i = 1; i <= radius; ++i)
            sum.add_((shifted(i) + shifted(-i)) * weights[static_cast<std::size_t>(i)]);
        values = sum;
    }
    x.index_copy_(0, places, values);
}

void low_resolution(at::Tensor& x, const std::vector<Drawn>& drawn, const AugmentOptions&) {
    std::vector<std::int64_t> sides;
    for (const std::int64_t axis : spatial(x)) sides.push_back(x.size(axis));
    for (const Drawn& each : drawn) {  // each has a size of its own
        std::vector<std::int64_t> fewer;
        for (const std::int64_t side : sides)
            fewer.push_back(
                std::max<std::int64_t>(1, std::llround(static_cast<double>(side) * each.strength)));
        if (fewer == sides) continue;
        at::Tensor one = x.narrow(0, each.place, 1);
        if (sides.size() == 2)
            one.copy_(at::upsample_bilinear2d(at::_upsample_nearest_exact2d(one.contiguous(), fewer), sides,
                                              false));
        else
            one.copy_(at::upsample_trilinear3d(at::_upsample_nearest_exact3d(one.contiguous(), fewer), sides,
                                               false));
    }
}

struct Row {
    std::string_view name;
    double neutral;
    Change change;
};
constexpr Row kRows[] = {
    {"brightness", 0, brightness}, {"contrast", 1, contrast}, {"gamma", 1, gamma},
    {"noise", 0, noise},           {"blur", 0, blur},         {"low_resolution", 1, low_resolution}};

}  // namespace

// Wellons' lowbias32 form with the multipliers 0x21f0aaad and 0x735a2d97: no product reaches 2^63.
at::Tensor hashed(at::Tensor x) {
    constexpr std::int64_t kMask = 0xffffffff;
    x = x ^ at::bitwise_right_shift(x, 16);
    x = (x * std::int64_t{0x21f0aaad}) & kMask;
    x = x ^ at::bitwise_right_shift(x, 15);
    x = (x * std::int64_t{0x735a2d97}) & kMask;
    return x ^ at::bitwise_right_shift(x, 15);
}

Change change_of(std::string_view name) {
    for (const Row& each : kRows)
        if (each.name == name) return each.change;
    return nullptr;
}

double neutral_of(std::string_view name) {
    for (const Row& each : kRows)
        if (each.name == name) return each.neutral;
    return 0;
}

}  // namespace trainer
