#pragma once
#include <variant>
#include <vector>

#include "core/shard/writer.h"
#include "staging/deid/clean.h"
#include "staging/image/cut.h"
#include "staging/image/series.h"
#include "staging/read/record.h"

namespace staging {

// The fields of a sample, as Definition::schema: pixels with their meaning, fitted to the field's shape, or the
// numbers of a table's row. Of a volume: what this file gives to it, [C, frames, H, W], fitted when it is whole
// (finish_volume).
std::variant<std::vector<core::Array>, Rejection> fields_of(const Record& record,
                                                            const Definition& definition);

// What computed_columns(image) names, of this record.
std::vector<core::Cell> image_cells(const Record& record);

// What computed_columns(volume) adds to it. `shape` and `affine` are of the volume as it comes from its slices;
// where the first field is fitted, the cells tell of what comes of it. The reason why a field cannot take it.
struct VolumeCells {
    std::vector<core::Cell> cells;
    std::uint64_t bytes = 0;  // of all fields, fitted
};
std::variant<VolumeCells, Rejection> volume_cells(const Definition& definition, const Stack& stack,
                                                  const std::vector<std::int64_t>& shape);

// Cuts off what `cut` says of the arrays of a volume whose slices were put together, of a mask too (0), then fits them.
// `spacing`: of Stack; `grid`: of the arrays as they are given.
void finish_volume(core::Sample& sample, const Definition& definition, const std::array<double, 3>& spacing,
                   const Grid& grid, const Cut& cut);

// Keyed digest of what a sample shows: equal for the same pixels delivered twice, and for rows of which all
// that is kept is equal.
core::Id16 content_of(const Record& record, const core::Sample& sample, const Pseudonyms& pseudonyms);

// The same of one frame of a file.
core::Id16 content_of_frame(const Record& record, std::uint32_t frame, const Pseudonyms& pseudonyms);

}  // namespace staging
