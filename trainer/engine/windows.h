#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "trainer/engine/patch.h"
#include "trainer/engine/step.h"

namespace trainer {

// Where windows of `patch` begin along an axis of `size`, evenly, the last at its end, each sharing at least `overlap` of
// itself with the next (nnU-Net). A single one at 0 where the axis is no longer than the patch.
std::vector<std::int64_t> window_starts(std::int64_t size, std::int64_t patch, double overlap);

// What a dense model says of a whole sample: the mean of what it says in each window, near the window's middle with more
// weight (a Gaussian of an eighth of the patch; Isensee et al. 2021). A sample that is smaller than the patch lies in the
// middle of it, as in training. `sample` [1, C, size] or [1, size], on the CPU; `batch` windows at a time, always as many.
// Returns [1, outputs, size] float32 on the CPU: it keeps 4 (outputs + 1) bytes a pixel beside the sample.
at::Tensor window_scores(Model& model, const at::Tensor& sample, const PatchOptions& patch,
                         std::int64_t batch, Precision precision);

}  // namespace trainer
