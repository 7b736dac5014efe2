#include "trainer/engine/windows.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "trainer/engine/watch.h"

namespace trainer {
namespace {

using Shape = std::vector<std::int64_t>;

// The part of `whole` of `extent` from `origin` on, along its last axes.
at::Tensor part(at::Tensor whole, const Shape& origin, const Shape& extent) {
    const auto before = whole.dim() - static_cast<std::int64_t>(origin.size());
    for (std::size_t a = 0; a < origin.size(); ++a)
        whole = whole.narrow(before + static_cast<std::int64_t>(a), origin[a], extent[a]);
    return whole;
}

// [patch], the greatest near 1 in the middle.
at::Tensor weights_of(const Shape& patch) {
    at::Tensor out = at::ones(patch);
    for (std::size_t a = 0; a < patch.size(); ++a) {
        const double middle = static_cast<double>(patch[a] - 1) / 2,
                     width = static_cast<double>(patch[a]) / 8;
        std::vector<float> along;
        for (std::int64_t i = 0; i < patch[a]; ++i)
            along.push_back(
                static_cast<float>(std::exp(-0.5 * std::pow((static_cast<double>(i) - middle) / width, 2))));
        Shape shape(patch.size(), 1);
        shape[a] = patch[a];
        out *= at::tensor(along).view(shape);
    }
    return out;
}

}  // namespace

Shape window_starts(std::int64_t size, std::int64_t patch, double overlap) {
    if (size <= patch) return {0};
    const auto step = std::max<std::int64_t>(
        1, static_cast<std::int64_t>(std::floor(static_cast<double>(patch) * (1 - overlap))));
    const std::int64_t room = size - patch, steps = (room + step - 1) / step;
    Shape out;
    for (std::int64_t i = 0; i <= steps; ++i) out.push_back((2 * i * room + steps) / (2 * steps));
    return out;
}

at::Tensor window_scores(Model& model, const at::Tensor& sample, const PatchOptions& options,
                         std::int64_t batch, Precision precision) {
    const Shape& patch = options.size;
    const Shape size = sample.sizes().slice(sample.dim() - std::ssize(patch)).vec();
    Shape padded = sample.sizes().vec(), inside, extent;
    bool is_smaller = false;
    for (std::size_t a = 0; a < patch.size(); ++a) {
        extent.push_back(std::max(size[a], patch[a]));
        padded[padded.size() - patch.size() + a] = extent[a];
        inside.push_back(std::max<std::int64_t>(patch[a] - size[a], 0) / 2);
        is_smaller = is_smaller || size[a] < patch[a];
    }
    at::Tensor whole = sample;
    if (is_smaller) {
        whole = at::full(padded, options.padding, sample.options());
        part(whole, inside, size).copy_(sample);
    }
    std::vector<Shape> origins{{}};
    for (std::size_t a = 0; a < patch.size(); ++a) {
        std::vector<Shape> longer;
        for (const Shape& each : origins)
            for (const std::int64_t start : window_starts(extent[a], patch[a], options.overlap)) {
                longer.push_back(each);
                longer.back().push_back(start);
            }
        origins = std::move(longer);
    }

    const c10::Device device = model.parameters()[0].tensor.device();
    const at::Tensor weights = weights_of(patch);
    Shape of_scores{model.input().outputs}, of_batch = padded;
    of_scores.insert(of_scores.end(), extent.begin(), extent.end());
    at::Tensor sum = at::zeros(of_scores), weight = at::zeros(extent);
    of_batch[0] = batch;
    std::copy(patch.begin(), patch.end(), of_batch.end() - std::ssize(patch));
    for (std::size_t first = 0; first < origins.size(); first += static_cast<std::size_t>(batch)) {
        Watch::alive();  // a sample of its own size has windows of its own number
        const auto count = std::min(origins.size() - first, static_cast<std::size_t>(batch));
        // Always the same shape, filled up with zeros: kernels may round differently by size.
        at::Tensor inputs = at::zeros(of_batch, sample.options());
        for (std::size_t i = 0; i < count; ++i)
            inputs[static_cast<std::int64_t>(i)].copy_(part(whole, origins[first + i], patch)[0]);
        at::Tensor scores;
        {
            const Autocast autocast(precision, device.type());
            scores = model.forward(inputs.to(device), Mode::evaluate).to(at::kCPU, at::kFloat);
        }
        for (std::size_t i = 0; i < count; ++i) {
            part(sum, origins[first + i], patch).addcmul_(scores[static_cast<std::int64_t>(i)], weights);
            part(weight, origins[first + i], patch).add_(weights);
        }
    }
    return part(sum.div_(weight), inside, size).unsqueeze(0);
}

}  // namespace trainer
