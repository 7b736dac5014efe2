#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/shard/schema.h"
#include "staging/read/record.h"

namespace staging {

// A frame of a series, as putting it into a volume needs it.
struct Slice {
    Frame frame;
    std::uint32_t rows = 0, columns = 0, samples = 1;
    bool localizer = false;   // its image type says so
    core::Id16 content{};     // keyed digest of its pixels: tells a slice sent twice from a second time point
    std::uint64_t order = 0;  // breaks ties only: of slices that are equal in all else the smaller one stays
};

// From voxel (i, j, k) to the patient's millimetres (LPS), row by row: x = a[0] i + a[1] j + a[2] k + a[3], ...
// i counts columns of the image, j rows, k slices.
using Affine = std::array<double, 12>;

// Which voxels a volume has, and where they lie.
struct Grid {
    Affine affine{};
    std::array<std::int64_t, 3> size{};  // slices, rows, columns
};
// Of the same size, and no voxel further apart than 1e-3 mm.
bool is_same_grid(const Grid& a, const Grid& b);

// Whether position, orientation and spacing are there, finite and such as a scanner's.
bool is_placeable(const Frame& frame);

// Slices of one volume: parallel, at equal distances, each position once, in the order of growing k: along the
// normal (row x column), so that the affine is right-handed whatever the order of the files.
struct Stack {
    std::vector<std::size_t> slices;  // positions in what was given
    Affine affine{};
    std::array<double, 3> spacing{};  // mm between slices, rows, columns: k, j, i
    // Which of several volumes of one orientation: stacks that the file declares, time points, echoes, b-values, kinds of image.
    // Counted from 0 in the order of what tells them apart.
    std::uint32_t part = 0, parts = 1;
};

struct LeftOver {
    std::size_t slice = 0;
    Reason reason = Reason::none;  // series_*
};

struct Series {
    std::vector<Stack> stacks;  // in the order of orientation, position, part
    std::vector<LeftOver> left;
};

// Puts the frames of one series into stacks by where they lie. Every slice is in exactly one stack or left over
// with a reason. The outcome depends on the set of slices alone, not on their order.
//   left over: series_geometry    no usable position, orientation or spacing (absent, not finite, absurd)
//              series_localizer   a scout image
//              series_single      alone in its orientation and size
//              series_duplicate   the same pixels at the same position
//              series_mixed       several frames at a position, and nothing that tells them apart
//              series_gap         slices are missing between its neighbours; of the last of several time points, anywhere
//              series_spacing     distances vary in another way
//              series_tilt        the slices' corners do not lie on one line along the normal
Series sort_series(std::span<const Slice> slices);

// The axes of i, j and k by the patient's direction they run closest to: "LPS", "RAS", "AIL", ... Each letter
// names where the axis runs to: Left, Right, Posterior, Anterior, Superior, Inferior. All names: deid/computed.h.
std::string orientation_name(const Affine& affine);

}  // namespace staging
