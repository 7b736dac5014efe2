#pragma once
#include <cstdint>
#include <variant>

#include "core/shard/writer.h"
#include "staging/deid/cases.h"
#include "staging/image/series.h"
#include "staging/read/record.h"

namespace staging {

// A mask as a field, uint8 [1, D, H, W], its slices in the order that a volume's have, and where it lies.
struct Mask {
    core::Array array;
    Grid grid;
};

// bad_mask if its frames make no volume or several, or if a value in it is none of those that the definition lists: grey
// values have no way in as a mask.
std::variant<Mask, Rejection> mask_of(const Record& record, const Masks& masks);

// Bytes of the mask, fitted. `spacing`: of the image's stack.
std::uint64_t fitted_bytes(const Masks& masks, const Grid& grid, const std::array<double, 3>& spacing);

}  // namespace staging
