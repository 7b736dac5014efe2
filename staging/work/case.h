#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "core/shard/writer.h"

namespace staging {

// A row or a mask that counts with a sample: packed if it is, left out if it is.
struct Companion {
    std::uint64_t file = 0, row = 0;  // Origin's
    char file_name[24] = {};          // keyed hash, hex, not terminated
};

// An image and what was joined to it: where it waits by itself, and what a row of a table or a mask adds to it.
struct Case {
    std::uint64_t batch = 0, segment = 0, offset = 0;  // as the image's own reference has them
    std::vector<Companion> companions;
    // Where one waits in stage 1's spill; of one that lacks slices of the image, the k of each that it has; and how it is
    // turned to lie on it (turn_mask).
    struct Mask {
        std::uint64_t segment = 0, offset = 0;
        std::vector<std::uint32_t> slices{};
        std::uint32_t turned = 1;
    };
    std::vector<Mask> masks{};  // together a field that stands behind the image's
    std::uint64_t image_slices = 0;
    std::vector<core::Cell> columns;  // behind the image's
};

// The mask [1, slices, H, W] with all of the image's slices: those that it lacks are zero. `slices`: the k of those that
// it has; none: all.
void spread_mask(core::Array& mask, const std::vector<std::uint32_t>& slices, std::uint64_t image_slices);
// A mask of a picture's stored pixels, turned as the reader turned the picture (Pixels::turned).
void turn_mask(core::Array& mask, std::uint32_t turned);
// Adds a mask to another of the same shape; of two numbers at a voxel the higher stands. Whether there were two.
bool add_mask(core::Array& to, const core::Array& mask);

core::Bytes encode(const Case& joined);
// Nothing if the block holds something else. Throws Error(bug): what it reads was authenticated.
std::optional<Case> decode_case(core::ByteView bytes);

}  // namespace staging
