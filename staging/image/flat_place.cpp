#include "staging/image/flat_place.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "core/base/error.h"

namespace staging {
namespace {

constexpr double kApart = 1e-3;  // mm, as of a volume's masks
constexpr double kUnit = 1e-3;   // of a direction's length and of right angles

template <std::size_t Count>
bool is_said(const std::array<double, Count>& value) {
    return std::ranges::all_of(value, [](double number) { return std::isfinite(number); });
}

bool is_orientation(const std::array<double, 6>& o) {
    const auto is_one = [](double length) { return std::fabs(length - 1) <= kUnit; };
    return is_one(std::hypot(o[0], o[1], o[2])) && is_one(std::hypot(o[3], o[4], o[5])) &&
           std::fabs(o[0] * o[3] + o[1] * o[4] + o[2] * o[5]) <= kUnit;
}

bool is_spacing(const std::array<double, 2>& mm) {
    return is_said(mm) && mm[0] > 0 && mm[1] > 0;
}

FlatPlace place_of(const Frame& frame, const Record& record) {
    FlatPlace out;
    if (frame.position && is_said(*frame.position)) out.position = *frame.position;
    if (frame.orientation && is_orientation(*frame.orientation)) out.orientation = *frame.orientation;
    if (frame.spacing && is_spacing(*frame.spacing)) out.spacing = *frame.spacing;
    if (record.imager_spacing && is_spacing(*record.imager_spacing))
        out.imager_spacing = *record.imager_spacing;
    return out;
}

template <class Place>
auto members(Place& place) {
    return std::tie(place.position, place.orientation, place.spacing, place.imager_spacing);
}

template <class Place, class One>
void each_number(Place& place, One one) {
    std::apply([&](auto&... arrays) { (std::ranges::for_each(arrays, one), ...); }, members(place));
}

// Whether the far corners of two grids of so many rows and columns come together.
bool is_one_spacing(const std::array<double, 2>& a, const std::array<double, 2>& b,
                    const std::array<double, 2>& steps) {
    return std::fabs(a[0] - b[0]) * steps[0] <= kApart && std::fabs(a[1] - b[1]) * steps[1] <= kApart;
}

}  // namespace

std::array<double, 3> FlatPlace::steps() const noexcept {
    if (!is_said(spacing)) return {};
    return {1, spacing[0], spacing[1]};
}

std::string_view lies_otherwise(const FlatPlace& image, const FlatPlace& mask, std::int64_t rows,
                                std::int64_t columns) {
    const std::array<double, 2> steps{static_cast<double>(rows - 1), static_cast<double>(columns - 1)};
    bool have_both = false, is_one = false;
    for (const auto* of_image : {&image.spacing, &image.imager_spacing})
        for (const auto* of_mask : {&mask.spacing, &mask.imager_spacing}) {
            if (!is_said(*of_image) || !is_said(*of_mask)) continue;
            have_both = true;
            is_one = is_one || is_one_spacing(*of_image, *of_mask, steps);
        }
    if (have_both && !is_one) return "PixelSpacing";
    if (is_said(image.orientation) && is_said(mask.orientation)) {
        std::array<double, 2> mm{1, 1};
        for (const auto* spacing :
             {&mask.imager_spacing, &image.imager_spacing, &mask.spacing, &image.spacing})
            if (is_said(*spacing)) mm = *spacing;
        const auto apart = [&](std::size_t from) {
            const auto &a = image.orientation, &b = mask.orientation;
            return std::hypot(a[from] - b[from], a[from + 1] - b[from + 1], a[from + 2] - b[from + 2]);
        };
        // Along a row the columns follow each other.
        if (!(apart(0) * mm[1] * steps[1] <= kApart && apart(3) * mm[0] * steps[0] <= kApart))
            return "ImageOrientationPatient";
    }
    if (is_said(image.position) && is_said(mask.position)) {
        const auto &a = image.position, &b = mask.position;
        if (!(std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]) <= kApart)) return "ImagePositionPatient";
    }
    return {};
}

FlatPlace flat_place(const Record& record) {
    FlatPlace out;
    const auto complete = [](auto& to, const auto& from) {
        if (!is_said(to)) to = from;
    };
    for (const Frame& frame : record.frames) {
        const FlatPlace one = place_of(frame, record);
        complete(out.position, one.position);
        complete(out.orientation, one.orientation);
        complete(out.spacing, one.spacing);
        complete(out.imager_spacing, one.imager_spacing);
    }
    return out;
}

bool lies_at_one_place(const Record& record) {
    const FlatPlace all = flat_place(record);
    return std::ranges::all_of(record.frames, [&](const Frame& frame) {
        return lies_otherwise(all, place_of(frame, record), record.pixels.rows, record.pixels.columns)
            .empty();
    });
}

std::vector<core::Cell> cells_of(const FlatPlace& place) {
    std::vector<core::Cell> out;
    each_number(place, [&](double number) { out.emplace_back(number); });
    return out;
}

FlatPlace flat_place(std::span<const core::Cell> cells) {
    FlatPlace out;
    std::size_t i = 0;
    each_number(out, [&](double& number) {
        if (i >= cells.size()) throw core::Error(core::Fault::bug, "a mask waits without its place");
        number = std::get<double>(cells[i++]);
    });
    return out;
}

}  // namespace staging
