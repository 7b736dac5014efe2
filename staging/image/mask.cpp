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

// Whether the colours of a picture's palette speak against its numbers. Who writes a mask of numbers shows 0, which stands
// for nothing, black or not at all (PASCAL VOC's palette); programs that pick a palette by themselves number colours as
// they come. And greys that the definition lists, too, can be what is meant as well as their numbers.
bool is_doubtful(const std::string& palette, const core::Bytes& numbers, const Masks& masks,
                 std::uint8_t part) {
    if (palette.empty()) return false;
    if (!palette.starts_with(std::string(3, '\0')) && palette[3] != 0) return true;
    const auto shown = [&](std::uint8_t value) { return value != 0 && part != 0 ? part : value; };
    std::array<bool, 256> used{};
    for (const std::uint8_t number : numbers) used[number] = true;
    bool differs = false;
    for (std::size_t number = 0; number < used.size(); ++number) {
        if (!used[number]) continue;
        if (4 * number + 3 >= palette.size()) return true;  // no colour has this number
        const auto grey = static_cast<std::uint8_t>(palette[4 * number]);
        const bool is_grey =
            palette[4 * number + 1] == palette[4 * number] && palette[4 * number + 2] == palette[4 * number];
        if (!is_grey || !masks.values[grey]) return false;
        differs = differs || shown(grey) != shown(static_cast<std::uint8_t>(number));
    }
    return differs;
}

// The planes of a file, [frames, j, i], as rows and columns of the image.
core::Bytes laid(const core::Bytes& planes, const Pixels& pixels, const PlaneAxes& axes) {
    const std::size_t i_size = pixels.columns, j_size = pixels.rows, plane = i_size * j_size;
    const std::size_t rows = axes.rows_first ? i_size : j_size, columns = plane / rows;
    core::Bytes out(planes.size());
    for (std::size_t frame = 0; frame < pixels.frames; ++frame)
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t c = 0; c < columns; ++c) {
                const std::size_t row = axes.rows_turned ? rows - 1 - r : r,
                                  column = axes.columns_turned ? columns - 1 - c : c;
                const std::size_t i = axes.rows_first ? row : column, j = axes.rows_first ? column : row;
                out[frame * plane + r * columns + c] = planes[frame * plane + j * i_size + i];
            }
    return out;
}

}  // namespace

std::variant<Mask, Rejection> mask_of(const Record& record, const Masks& masks, std::uint8_t part) {
    const auto bad = [&](const char* what) { return Rejection{Reason::bad_mask, what}; };
    const Pixels& pixels = record.pixels;
    if (pixels.samples != 1 || (!masks.is_flat && record.frames.size() != pixels.frames))
        return bad("frames");
    // A plane of its axes is declared, and no third one.
    if (masks.is_flat && masks.wanted.has_format() && masks.wanted.format().name == "nifti" &&
        pixels.frames != 1)
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
    if (is_doubtful(pixels.palette, array.bytes, masks, part)) return bad("palette");
    if (part != 0)
        for (std::uint8_t& value : array.bytes)
            if (value != 0) value = part;
    Mask out;
    out.grid.size = {pixels.frames, pixels.rows, pixels.columns};
    if (masks.is_flat) {
        if (masks.axes.is_changed()) array.bytes = laid(array.bytes, pixels, masks.axes);
        if (masks.axes.rows_first) {
            std::swap(out.grid.size[1], out.grid.size[2]);
            std::swap(array.shape.end()[-1], array.shape.end()[-2]);
        }
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

Lying lying_of(const SeenSize& image, const SeenSize& mask, DrawnOn drawn_on) {
    const auto stored = [](SeenSize of) {
        if (of.turned >= 5) std::swap(of.size[1], of.size[2]);
        return of.size;
    };
    const bool seen = image.size == mask.size;
    if (image.turned == mask.turned) return seen ? Lying::as_seen : Lying::nowhere;
    const bool as_stored = stored(image) == stored(mask);
    const Lying of_stored = as_stored && mask.turned == 1 ? Lying::as_stored : Lying::nowhere;
    if (drawn_on == DrawnOn::stored) return of_stored;
    if (!seen) return drawn_on == DrawnOn::upright ? Lying::nowhere : of_stored;
    return as_stored && drawn_on == DrawnOn::unsaid ? Lying::unknown : Lying::as_seen;
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
