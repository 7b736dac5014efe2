#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace trainer {

// The kernels of group_norm.h, compiled for the GPU at hand when they are first asked for (NVRTC, a second). All
// tensors on one GPU, images [N, C, H, W] channels last.

// Whether they take this, on this machine, in this build. That NVRTC cannot compile is the event no_kernels, once.
bool has_group_norm_cuda(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                         const at::Tensor& bias);

struct Normed {
    at::Tensor y;      // as x
    at::Tensor group;  // [N, groups, 2] float32: mean, 1 / standard deviation
};
Normed group_norm_cuda(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                       const at::Tensor& bias, const at::Tensor& other, bool relu);

struct NormGradients {
    at::Tensor x, weight, bias, other;  // other: undefined without one
};
// `y` is what came out, `dy` the gradient there.
NormGradients group_norm_cuda_backward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight,
                                       const at::Tensor& group, const at::Tensor& y, bool relu, bool other);

}  // namespace trainer
