#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <variant>
#include <vector>

#include "core/shard/writer.h"
#include "staging/deid/cases.h"
#include "staging/image/flat_place.h"
#include "staging/image/series.h"
#include "staging/read/record.h"

namespace staging {

// A mask as a field, uint8 [1, D, H, W], its slices in the order that a volume's have, and where it lies. Of a single
// image in the image's own form, and its grid is its size alone.
struct Mask {
    core::Array array;
    Grid grid;
};

// bad_mask if its frames make no volume or several, or if a value in it is none of those that the definition lists: grey
// values have no way in as a mask. Or if it is a picture with a palette ("palette") whose colour 0 is neither black nor wholly
// transparent, or whose greys are listed, too, and say otherwise than their numbers.
// Of NIfTI on a single image the axes are laid as the definition declares.
// `part`: the number that stands for all that is not 0 in it; 0 for itself.
std::variant<Mask, Rejection> mask_of(const Record& record, const Masks& masks, std::uint8_t part = 0);

// A segmentation as a field, uint8 [1, slices, H, W]: the slices that it has, in the order of growing k. Those of its
// image that it lacks show nothing. Of a single image in the image's own form, and its grid is its size alone.
struct Segments {
    core::Array array;
    Grid grid;                     // k runs along the normal, one millimetre a step, from the first slice
    std::set<std::uint8_t> shows;  // the numbers that it has segments for, whether a voxel shows them or not
    std::vector<std::array<double, 3>> positions;  // of the slices
    FlatPlace lies;                                // of a single image's
};
// The number of each segment's code at each voxel. bad_mask if a segment's code is none of those that the definition
// lists, if two of different numbers overlap and not the higher stands, or if the frames are no parallel slices of one size, or of
// a single image not one for each segment (one in all of a label map); and of fractional ones if the definition has no threshold.
std::variant<Segments, Rejection> segments_of(const Record& record, const Masks& masks);

// Where a segmentation's slices stand among an image's: the k of each. Nothing if one lies on none of them: further than
// 1e-3 mm from where the image's slice is by its own position and by the grid.
std::optional<std::vector<std::uint32_t>> places_on(const Grid& image,
                                                    std::span<const std::array<double, 3>> slices,
                                                    const Grid& mask,
                                                    std::span<const std::array<double, 3>> positions);

// What tells a waiting segmentation's images and its place on them, and how that waits: as cells beside its array.
struct SegmentsPlace {
    std::vector<std::array<double, 3>> positions;
    struct Source {
        core::Id16 instance{};   // as SampleRef has it
        std::int64_t frame = 0;  // from 1; 0: all of them
        auto operator<=>(const Source&) const = default;
    };
    std::vector<Source> sources;  // in their order; none: only its place tells
};
std::vector<core::Cell> cells_of(const SegmentsPlace& place);
SegmentsPlace segments_place(std::span<const core::Cell> cells);

// How a mask lies on a single image, of both of which the reader may have turned pictures upright (Pixels::turned): what is
// seen belongs together, or what is stored in the files, if the mask was made of the stored pixels. Which, is declared; or their
// sizes tell it, or cannot.
enum class Lying { nowhere, as_seen, as_stored, unknown };
struct SeenSize {
    std::array<std::int64_t, 3> size{};  // frames, rows, columns, upright
    std::uint32_t turned = 1;
};
Lying lying_of(const SeenSize& image, const SeenSize& mask, DrawnOn drawn_on = DrawnOn::unsaid);

// The mask fitted as its image is, to the nearest voxel, and how many bytes it has then. `spacing`: mm between the image's
// slices, rows, columns; zeros where it does not say.
void fit_mask(core::Array& mask, const Masks& masks, const std::array<double, 3>& spacing);
std::uint64_t fitted_bytes(const Masks& masks, const Grid& grid, const std::array<double, 3>& spacing);

}  // namespace staging
