#include "staging/image/mask.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "core/base/error.h"
#include "staging/image/fit.h"
#include "staging/image/pixels.h"

namespace staging {

std::variant<Mask, Rejection> mask_of(const Record& record, const Masks& masks) {
    const auto bad = [&](const char* what) { return Rejection{Reason::bad_mask, what}; };
    const Pixels& pixels = record.pixels;
    if (record.frames.size() != pixels.frames || pixels.samples != 1) return bad("frames");
    std::vector<Slice> slices;
    for (std::uint32_t frame = 0; frame < pixels.frames; ++frame) {
        Slice one;
        one.frame = record.frames[frame];
        one.rows = pixels.rows;
        one.columns = pixels.columns;
        // Empty slices are all equal, and none is a copy of another.
        one.content = {static_cast<std::uint8_t>(frame), static_cast<std::uint8_t>(frame >> 8),
                       static_cast<std::uint8_t>(frame >> 16), static_cast<std::uint8_t>(frame >> 24)};
        one.order = frame;
        slices.push_back(one);
    }
    const Series sorted = sort_series(slices);
    if (sorted.stacks.size() != 1 || !sorted.left.empty()) return bad("frames");
    // Values must be whole and fit; a slope of 1 is nothing else.
    FieldChoice choice;
    choice.rule.pixels = true;
    choice.field = masks.field.field;
    auto read = pixels_to_array(record, choice, true);
    if (std::holds_alternative<Rejection>(read)) return bad("values");
    const core::Array& array = std::get<core::Array>(read);
    if (!std::ranges::all_of(array.bytes, [&](std::uint8_t value) { return masks.values[value]; }))
        return bad("values");
    Mask out;
    const Stack& stack = sorted.stacks.front();
    out.grid = {stack.affine, {pixels.frames, pixels.rows, pixels.columns}};
    out.array.shape = array.shape;
    const std::size_t plane = std::size_t{pixels.rows} * pixels.columns;
    for (const std::size_t frame : stack.slices) {
        const auto from = array.bytes.begin() + static_cast<std::ptrdiff_t>(frame * plane);
        out.array.bytes.insert(out.array.bytes.end(), from, from + static_cast<std::ptrdiff_t>(plane));
    }
    return out;
}

std::uint64_t fitted_bytes(const Masks& masks, const Grid& grid, const std::array<double, 3>& spacing) {
    const auto plan = plan_fit(masks.field, {1, grid.size[0], grid.size[1], grid.size[2]},
                               {spacing.begin(), spacing.end()});
    const auto* found = std::get_if<FitPlan>(&plan);
    if (!found) throw core::Error(core::Fault::bug, "a mask does not fit where its image does");
    return static_cast<std::uint64_t>(
        std::accumulate(found->shape.begin(), found->shape.end(), std::int64_t{1}, std::multiplies<>()));
}

}  // namespace staging
