#pragma once
#include <variant>

#include "core/shard/writer.h"
#include "staging/deid/clean.h"
#include "staging/read/record.h"

namespace staging {

// The pixels as a field's array: channels first, [C, H, W], or [C, frames, H, W] where there are several
// frames or the field's shape has four dimensions. Values are unchanged: a wider type holds them, none is
// scaled or rounded; one that the type cannot hold rejects the sample (value_does_not_fit), as does a shape
// that is not the field's (shape_differs).
std::variant<core::Array, Rejection> pixels_to_array(const Pixels& pixels, const core::Field& field);

}  // namespace staging
