#pragma once
#include <cstddef>
#include <cstdint>

#include "core/shard/schema.h"

namespace trainer {

// out[i] = float(in[i]) * scale + offset for `count` elements of `type`; each rounded to float32, the same on
// every processor. `in` need not be aligned.
void to_float(core::DType type, const std::uint8_t* in, std::size_t count, float scale, float offset,
              float* out);

}  // namespace trainer
