#pragma once
#include <array>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "core/shard/writer.h"
#include "staging/read/record.h"

namespace staging {

// Where a single image, or a segmentation of one, says that it lies. What it does not say, or says in a way that cannot
// be, is NaN.
struct FlatPlace {
    static constexpr double kUnsaid = std::numeric_limits<double>::quiet_NaN();
    std::array<double, 3> position{kUnsaid, kUnsaid, kUnsaid};  // of the centre of the first pixel, mm
    // Unit vectors along a row, then along a column.
    std::array<double, 6> orientation{kUnsaid, kUnsaid, kUnsaid, kUnsaid, kUnsaid, kUnsaid};
    // Between rows, between columns, mm: in the patient, and at the detector.
    std::array<double, 2> spacing{kUnsaid, kUnsaid}, imager_spacing{kUnsaid, kUnsaid};

    // mm along an array's last axes: slices, of which there is one, rows, columns; zeros if it does not say.
    std::array<double, 3> steps() const noexcept;
};

// Of all frames together: what the first says that says it. And whether none of them says otherwise.
FlatPlace flat_place(const Record& record);
bool lies_at_one_place(const Record& record);

// What a mask of `rows` x `columns` says otherwise than its image, of what both say: the attribute's name; empty if no
// pixel lies further than 1e-3 mm from where it should. A detector's spacing is as good as the patient's, as long as one of
// the image's is one of the mask's: a calibrated image has both.
std::string_view lies_otherwise(const FlatPlace& image, const FlatPlace& mask, std::int64_t rows,
                                std::int64_t columns);

// How it waits beside a mask's field.
std::vector<core::Cell> cells_of(const FlatPlace& place);
FlatPlace flat_place(std::span<const core::Cell> cells);

}  // namespace staging
