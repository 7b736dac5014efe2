#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <string>

#include "staging/image/mask.h"

namespace staging {
namespace {

using Vector = std::array<double, 3>;

constexpr double kApart = 1e-3;      // mm: two voxels that are one
constexpr double kDirection = 1e-6;  // of unit vectors and spacings that are said twice

double dot(const Vector& a, const Vector& b) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

double apart(const Vector& a, const Vector& b) {
    return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

template <std::size_t Count>
bool alike(const std::optional<std::array<double, Count>>& a,
           const std::optional<std::array<double, Count>>& b) {
    if (!a || !b) return false;
    for (std::size_t i = 0; i < Count; ++i)
        if (!(std::fabs((*a)[i] - (*b)[i]) <= kDirection)) return false;
    return true;
}

Vector axis(const Grid& grid, std::size_t column) {
    return {grid.affine[column], grid.affine[4 + column], grid.affine[8 + column]};
}

// What each frame's segment is as a number, or the reason.
std::variant<std::vector<std::uint8_t>, Rejection> numbers_of(const Segmentation& segmentation,
                                                              const Masks& masks) {
    std::map<std::uint32_t, const std::string*> codes;  // null: two segments of one number are two truths
    for (const auto& segment : segmentation.segments) {
        const auto [at, is_new] = codes.try_emplace(segment.number, &segment.code);
        if (!is_new) at->second = nullptr;
    }
    std::vector<std::uint8_t> out;
    for (const std::uint32_t shown : segmentation.shown) {
        const auto code = codes.find(shown);
        if (shown == 0 || code == codes.end() || !code->second)
            return Rejection{Reason::bad_mask, "segments"};
        const auto value = masks.segments.find(*code->second);
        if (value == masks.segments.end()) return Rejection{Reason::bad_mask, "segments"};
        out.push_back(value->second);
    }
    return out;
}

// Of a label map: the number that stands for each of its values, kNone where no segment that the definition lists has it.
constexpr std::uint16_t kNone = 0xffff;
std::vector<std::uint16_t> numbers_of_values(const Record& record, const Masks& masks) {
    constexpr char kBackground[] = "DCM:125040";  // PS3.16
    std::vector<std::uint16_t> out(std::size_t{1} << 16, kNone);
    std::vector<bool> described(out.size());
    for (const auto& segment : record.segmentation->segments) {
        if (segment.number >= out.size()) continue;
        const auto value = masks.segments.find(segment.code);
        const bool is_known = value != masks.segments.end();
        // Two segments of one number are two truths.
        out[segment.number] = described[segment.number]     ? kNone
                              : is_known                    ? value->second
                              : segment.code == kBackground ? 0
                                                            : kNone;
        described[segment.number] = true;
    }
    if (!described[0]) out[0] = 0;
    // The background by PS3.3 section C.8.20.2, whatever number it has.
    if (record.padding && record.padding->front() == record.padding->back() && record.padding->front() >= 0 &&
        record.padding->front() < static_cast<double>(out.size()))
        out[static_cast<std::size_t>(record.padding->front())] = 0;
    return out;
}

std::uint16_t stored(const Pixels& pixels, std::size_t at) {
    if (pixels.type == PixelType::u8) return pixels.bytes[at];
    std::uint16_t value;
    std::memcpy(&value, pixels.bytes.data() + 2 * at, sizeof value);
    return value;
}

// The numbers that a segmentation's frames show.
struct Shown {
    bool is_label_map = false, higher_stands = false;
    std::vector<std::uint8_t> of_frames;
    std::vector<std::uint16_t> of_values;  // of a label map
    double enough = 1;                     // what counts as the segment, and what there is at most
    unsigned most = 1;

    // Lays a frame's over what `to` has; a word if they are none, or two stand at one place.
    const char* lay(const Pixels& pixels, std::size_t frame, std::uint8_t* to) const {
        const std::size_t plane = std::size_t{pixels.rows} * pixels.columns;
        for (std::size_t n = 0; n < plane; ++n) {
            const std::uint16_t value = stored(pixels, frame * plane + n);
            if (is_label_map ? of_values[value] == kNone : value > most)
                return is_label_map ? "segments" : "values";
            if (is_label_map ? of_values[value] == 0 : value < enough) continue;
            const auto number = static_cast<std::uint8_t>(is_label_map ? of_values[value] : of_frames[frame]);
            if (to[n] != 0 && to[n] != number && !higher_stands) return "overlap";
            to[n] = std::max(to[n], number);
        }
        return nullptr;
    }
};

std::variant<Shown, Rejection> shown_by(const Record& record, const Masks& masks) {
    const auto bad = [](const char* what) { return Rejection{Reason::bad_mask, what}; };
    const Segmentation& segmentation = *record.segmentation;
    if (segmentation.is_fractional && !masks.threshold) return bad("fractional");
    if (segmentation.is_fractional && segmentation.full == 0) return bad("values");
    Shown out{segmentation.is_label_map, masks.higher_stands, {}, {}};
    if (segmentation.is_label_map) {
        out.of_values = numbers_of_values(record, masks);
    } else {
        auto found = numbers_of(segmentation, masks);
        if (const auto* rejection = std::get_if<Rejection>(&found)) return *rejection;
        out.of_frames = std::get<std::vector<std::uint8_t>>(std::move(found));
    }
    if (segmentation.is_fractional) {
        out.enough = *masks.threshold * static_cast<double>(segmentation.full);
        out.most = segmentation.full;
    }
    return out;
}

// Of a single image: a frame for each segment, all on the image's one frame.
std::variant<Segments, Rejection> on_one_frame(const Record& record, const Masks& masks, const Shown& shown,
                                               Segments out) {
    const Pixels& pixels = record.pixels;
    std::vector<std::uint32_t> segments = record.segmentation->shown;
    std::ranges::sort(segments);
    const bool is_one =
        shown.is_label_map ? pixels.frames == 1 : std::ranges::adjacent_find(segments) == segments.end();
    if (!is_one) return Rejection{Reason::bad_mask, "frames"};
    out.grid.size = {1, pixels.rows, pixels.columns};
    if (!lies_at_one_place(record)) return Rejection{Reason::bad_mask, "frames"};
    out.lies = flat_place(record);
    // As pixels_to_array has it.
    out.array.shape = {1, pixels.rows, pixels.columns};
    if (masks.field.field.shape.size() == 4) out.array.shape.insert(out.array.shape.begin(), 1);
    out.array.bytes.resize(std::size_t{pixels.rows} * pixels.columns);
    for (std::size_t i = 0; i < pixels.frames; ++i)
        if (const char* word = shown.lay(pixels, i, out.array.bytes.data()))
            return Rejection{Reason::bad_mask, word};
    return out;
}

}  // namespace

std::variant<Segments, Rejection> segments_of(const Record& record, const Masks& masks) {
    const auto bad = [](const char* what) { return Rejection{Reason::bad_mask, what}; };
    const Pixels& pixels = record.pixels;
    const bool is_label_map = record.segmentation && record.segmentation->is_label_map;
    const bool is_number = pixels.type == PixelType::u8 || (is_label_map && pixels.type == PixelType::u16);
    const bool is_whole = record.segmentation && pixels.samples == 1 && is_number && !pixels.bytes.empty() &&
                          pixels.bytes.size() == pixels.byte_count() &&
                          (masks.is_flat || !record.frames.empty()) &&
                          record.segmentation->shown.size() == pixels.frames;
    if (!is_whole) return bad("frames");
    const auto read = shown_by(record, masks);
    if (const auto* rejection = std::get_if<Rejection>(&read)) return *rejection;
    const Shown& shown = std::get<Shown>(read);
    Segments out;
    for (const auto& segment : record.segmentation->segments)
        if (const auto value = masks.segments.find(segment.code); value != masks.segments.end())
            out.shows.insert(value->second);
    if (masks.is_flat) return on_one_frame(record, masks, shown, std::move(out));

    const auto frame_of = [&](std::size_t i) -> const Frame& {
        return record.frames[record.frames.size() == 1 ? 0 : i];
    };
    const Frame& first = frame_of(0);
    // As a volume's frames are judged: position, orientation and spacing are there, and right.
    if (!is_placeable(first)) return bad("frames");
    const auto& o = *first.orientation;
    const Vector row{o[0], o[1], o[2]}, column{o[3], o[4], o[5]};
    const Vector normal{row[1] * column[2] - row[2] * column[1], row[2] * column[0] - row[0] * column[2],
                        row[0] * column[1] - row[1] * column[0]};
    std::vector<std::pair<double, std::size_t>> order;  // along the normal
    for (std::size_t i = 0; i < pixels.frames; ++i) {
        const Frame& frame = frame_of(i);
        if (!alike(frame.orientation, first.orientation) || !alike(frame.spacing, first.spacing) ||
            !is_placeable(frame))
            return bad("frames");
        order.emplace_back(dot(*frame.position, normal), i);
    }
    std::ranges::sort(order);

    const std::size_t plane = std::size_t{pixels.rows} * pixels.columns;
    for (const auto& [along, i] : order) {
        const Vector& position = *frame_of(i).position;
        if (out.positions.empty() || apart(out.positions.back(), position) > kApart) {
            // Beside the last one, and not behind it.
            if (!out.positions.empty() && along - dot(out.positions.back(), normal) <= kApart)
                return bad("frames");
            out.positions.push_back(position);
            out.array.bytes.resize(out.positions.size() * plane);
        }
        if (const char* word =
                shown.lay(pixels, i, out.array.bytes.data() + (out.positions.size() - 1) * plane))
            return bad(word);
    }
    const auto slices = static_cast<std::int64_t>(out.positions.size());
    out.array.shape = {1, slices, pixels.rows, pixels.columns};
    out.grid.size = {slices, pixels.rows, pixels.columns};
    const auto& [between_rows, between_columns] = *first.spacing;
    for (std::size_t k = 0; k < 3; ++k) {
        out.grid.affine[k * 4] = row[k] * between_columns;
        out.grid.affine[k * 4 + 1] = column[k] * between_rows;
        out.grid.affine[k * 4 + 2] = normal[k];
        out.grid.affine[k * 4 + 3] = out.positions.front()[k];
    }
    return out;
}

std::optional<std::vector<std::uint32_t>> places_on(const Grid& image, std::span<const Vector> slices,
                                                    const Grid& mask, std::span<const Vector> positions) {
    if (image.size[1] != mask.size[1] || image.size[2] != mask.size[2]) return std::nullopt;
    // In the plane: the far corners of the rows and of the columns.
    for (const std::size_t column : {0, 1}) {
        const auto steps = static_cast<double>(image.size[2 - column] - 1);
        if (!(apart(axis(image, column), axis(mask, column)) * steps <= kApart)) return std::nullopt;
    }
    const Vector step = axis(image, 2), origin = axis(image, 3);
    std::vector<double> heights;  // of the slices: they grow
    for (const Vector& slice : slices) heights.push_back(dot(slice, step));
    std::vector<std::uint32_t> out;
    for (const Vector& position : positions) {
        // By the slices' own positions first: where gaps differ a little the grid, which is their mean, drifts away.
        std::optional<std::size_t> at;
        const auto above = std::ranges::lower_bound(heights, dot(position, step));
        for (const std::ptrdiff_t near : {above - heights.begin() - 1, above - heights.begin()}) {
            const auto i = static_cast<std::size_t>(near);
            if (near >= 0 && i < slices.size() && apart(position, slices[i]) <= kApart) at = i;
        }
        if (!at) {
            const Vector from{position[0] - origin[0], position[1] - origin[1], position[2] - origin[2]};
            const double k = std::round(dot(from, step) / dot(step, step));
            if (!(k >= 0 && k < static_cast<double>(image.size[0]))) return std::nullopt;
            const Vector on_grid{origin[0] + k * step[0], origin[1] + k * step[1], origin[2] + k * step[2]};
            if (!(apart(position, on_grid) <= kApart)) return std::nullopt;
            at = static_cast<std::size_t>(k);
        }
        // Each slice once: where two lie on one the distances differ.
        if (*at >= static_cast<std::size_t>(image.size[0]) || (!out.empty() && out.back() >= *at))
            return std::nullopt;
        out.push_back(static_cast<std::uint32_t>(*at));
    }
    return out;
}

std::vector<core::Cell> cells_of(const SegmentsPlace& place) {
    std::vector<core::Cell> out;
    for (const Vector& position : place.positions)
        for (const double number : position) out.emplace_back(number);
    for (const SegmentsPlace::Source& source : place.sources) {
        out.emplace_back(source.instance);
        out.emplace_back(source.frame);
    }
    return out;
}

SegmentsPlace segments_place(std::span<const core::Cell> cells) {
    SegmentsPlace out;
    std::size_t i = 0;
    for (; i < cells.size() && std::holds_alternative<double>(cells[i]); i += 3)
        out.positions.push_back(
            {std::get<double>(cells[i]), std::get<double>(cells[i + 1]), std::get<double>(cells[i + 2])});
    for (; i < cells.size(); i += 2)
        out.sources.push_back({std::get<core::Id16>(cells[i]), std::get<std::int64_t>(cells[i + 1])});
    std::ranges::sort(out.sources);
    return out;
}

}  // namespace staging
