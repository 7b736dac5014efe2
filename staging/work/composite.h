#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/shard/writer.h"
#include "staging/image/cut.h"
#include "staging/image/series.h"

namespace staging {

// A sample that is put together from frames of waiting ones when it is packed: a volume of its slices. Nothing of
// the pixels is written a second time.
struct Piece {
    std::uint64_t segment = 0, offset = 0;  // where the waiting sample lies; its fields are [C, frames, H, W]
    std::uint64_t frame = 0;
    std::uint64_t file = 0;            // Origin::file
    core::Id16 instance{}, content{};  // of the whole file: what conflicts are told by
    char file_name[24] = {};           // keyed hash, hex, not terminated
    std::array<double, 3> position{};  // where the frame says it lies, mm
};
struct Composite {
    std::vector<Piece> pieces;        // in the order of growing k
    std::array<double, 3> spacing{};  // mm between slices, rows, columns
    Grid grid;                        // before anything is fitted
    Cut cut;                          // of a face, before it is fitted
    std::vector<core::Cell> columns;
};

core::Bytes encode(const Composite& composite);
// Nothing if the block holds a plain sample. Throws Error(bug): what it reads was authenticated.
std::optional<Composite> decode_composite(core::ByteView bytes);

// The fields [C, pieces, H, W]. `load` gives the waiting sample of a piece; pieces that follow each other in one
// waiting sample load it once. Memory: the outcome and one waiting sample.
core::Sample assemble(const Composite& composite,
                      const std::function<core::Sample(std::uint64_t segment, std::uint64_t offset)>& load);

}  // namespace staging
