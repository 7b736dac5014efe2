#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace trainer {

// The dimensions, counted from the last, that the axes "x" (columns), "y" (rows) and "z" (slices) are of samples of this
// shape: [H, W], [C, H, W] or [C, D, H, W]. Throws Error(usage) for an axis that they do not have.
std::vector<std::int64_t> flip_dimensions(const std::vector<std::string>& axes,
                                          const std::vector<std::int64_t>& shape);

// Test-time flips (as nnU-Net, Isensee et al. 2021): the mean of what `look` says of the inputs turned over along each
// combination of the dimensions, the empty one too: 2 to the power of their number. `inputs` [n, ...], any numeric type;
// `look` gets float32 of the same shape, or the inputs themselves where there are no dimensions, and returns what may be
// averaged. `is_dense`: its last dimensions are those of the inputs, and are turned back. What becomes of a sample depends
// on that sample alone.
at::Tensor mean_over_flips(const at::Tensor& inputs, const std::vector<std::int64_t>& dimensions,
                           bool is_dense, const std::function<at::Tensor(const at::Tensor&)>& look);

}  // namespace trainer
