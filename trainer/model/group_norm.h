#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace trainer {

// relu(group_norm(x) + other), Wu and He 2018 (arXiv 1803.08494) with epsilon 1e-5. `x` [N, C, H, W], `weight` and
// `bias` [C] float32, `other` as x or undefined. On a GPU one pass reads x and one writes the result, in x's own
// type and channels last, and the same bits come out each time: PyTorch's group norm has no kernel for channels
// last, so that it copies twice, and under autocast it goes by way of float32. Whatever these kernels cannot take
// (another type or layout, channels that are no multiple of 8) is composed of PyTorch's functions, as on the CPU.
enum class Relu { no, yes };
at::Tensor group_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                      const at::Tensor& bias, const at::Tensor& other, Relu relu);

// The same, always composed of PyTorch's functions.
at::Tensor composed_group_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                               const at::Tensor& bias, const at::Tensor& other, Relu relu);

}  // namespace trainer
