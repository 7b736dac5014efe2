#include "staging/image/mask.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "core/base/error.h"
#include "staging/image/fit.h"
#include "staging/image/pixels.h"

namespace staging {
namespace {

// Its image was planned alike, and nothing but the type and the number of channels is another.
FitPlan mask_plan(const Masks& masks, const std::vector<std::int64_t>& shape,
                  const std::array<double, 3>& spacing) {
    std::vector<double> known;
    if (spacing[1] > 0)
        known.assign(spacing.end() - static_cast<std::ptrdiff_t>(shape.size() - 1), spacing.end());
    auto plan = plan_fit(masks.field, shape, known);
    auto* found = std::get_if<FitPlan>(&plan);
    if (!found) throw core::Error(core::Fault::bug, "a mask does not fit where its image does");
    return std::move(*found);
}

}  // namespace

std::variant<Mask, Rejection> mask_of(const Record& record, const Masks& masks, std::uint8_t part) {
    const auto bad = [&](const char* what) { return Rejection{Reason::bad_mask, what}; };
    const Pixels& pixels = record.pixels;
    if (pixels.samples != 1 || (!masks.is_flat && record.frames.size() != pixels.frames))
        return bad("frames");
    // Values must be whole and fit; a slope of 1 is nothing else.
    FieldChoice choice;
    choice.rule.pixels = true;
    choice.field = masks.field.field;
    auto read = pixels_to_array(record, choice, !masks.is_flat);
    if (std::holds_alternative<Rejection>(read)) return bad("values");
    core::Array& array = std::get<core::Array>(read);
    if (!std::ranges::all_of(array.bytes, [&](std::uint8_t value) { return masks.values[value]; }))
        return bad("values");
    if (part != 0)
        for (std::uint8_t& value : array.bytes)
            if (value != 0) value = part;
    Mask out;
    out.grid.size = {pixels.frames, pixels.rows, pixels.columns};
    if (masks.is_flat) {
        out.array = std::move(array);
        return out;
    }
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
    const Stack& stack = sorted.stacks.front();
    out.grid.affine = stack.affine;
    out.array.shape = array.shape;
    const std::size_t plane = std::size_t{pixels.rows} * pixels.columns;
    for (const std::size_t frame : stack.slices) {
        const auto from = array.bytes.begin() + static_cast<std::ptrdiff_t>(frame * plane);
        out.array.bytes.insert(out.array.bytes.end(), from, from + static_cast<std::ptrdiff_t>(plane));
    }
    return out;
}

void fit_mask(core::Array& mask, const Masks& masks, const std::array<double, 3>& spacing) {
    const FitPlan plan = mask_plan(masks, mask.shape, spacing);
    if (plan.changes(mask.shape))
        mask = apply_fit(mask, masks.field.field.dtype, plan, Interpolation::nearest, 0);
}

std::uint64_t fitted_bytes(const Masks& masks, const Grid& grid, const std::array<double, 3>& spacing) {
    std::vector<std::int64_t> shape{1, grid.size[0], grid.size[1], grid.size[2]};
    // As pixels_to_array has it.
    if (masks.is_flat && grid.size[0] == 1 && masks.field.field.shape.size() != 4)
        shape.erase(shape.begin() + 1);
    const FitPlan plan = mask_plan(masks, shape, spacing);
    return static_cast<std::uint64_t>(
        std::accumulate(plan.shape.begin(), plan.shape.end(), std::int64_t{1}, std::multiplies<>()));
}

}  // namespace staging
