#pragma once
#include <string>
#include <variant>
#include <vector>

#include "core/shard/writer.h"
#include "staging/deid/clean.h"
#include "staging/read/record.h"

namespace staging {

// Units that a field can declare and that files can tell: of them a field takes no other pixels (units_differ).
inline constexpr char kHounsfieldUnits[] = "Hounsfield units";

// The pixels as a field's array: channels first, [C, H, W], or [C, frames, H, W] where there are several frames
// or `is_volume`; any shape, fields.h fits it. What values mean is applied, unless the field wants them as stored:
//   MONOCHROME1  turned around within BitsStored (max - v), but for Hounsfield units, whose meaning does not
//                depend on how they are shown
//   modality LUT value = stored x slope + intercept, of each frame its own, in double precision
//   padding      values that stand for no measurement become the field's `padding`; where they occur and the
//                field declares none the sample is left out (padding_undeclared)
// Floating-point fields round the result once; of integer fields every value must be whole and fit, or the
// sample is left out (value_does_not_fit): nothing is clipped or scaled.
std::variant<core::Array, Rejection> pixels_to_array(const Record& record, const FieldChoice& choice,
                                                     bool is_volume = false);

// The shape of what it gives.
std::vector<std::int64_t> array_shape(const Pixels& pixels, const FieldChoice& choice,
                                      bool is_volume = false);

// Whether pixels_to_array turns the grey scale around.
bool is_inverted(const Record& record);

}  // namespace staging
