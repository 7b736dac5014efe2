#include "staging/image/text.h"

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <numeric>
#include <utility>

namespace staging {
namespace {

constexpr int kScales = 3;          // strokes of up to 3, 6 and 12 pixels
constexpr int kTile = 32;           // pixels in which noise is alike
constexpr int kLargest = 48;        // a glyph's height, at its scale
constexpr int kPairs = 256;         // neighbours that are looked at, of one component: what bounds the time
constexpr std::size_t kGrown = 64;  // blocks that are looked around, of a frame: more are a page
constexpr double kNoise = 5;        // strokes stand out from noise by so many times its median response
constexpr double kFaintest = 0.1;   // and by this part of the frame's range

// How much a pixel is above both of its sides, along the row or the column.
Plane strokes_of(const Plane& plane) {
    Plane out(plane.rows, plane.columns);
    const auto least = [](std::int16_t a, std::int16_t b) { return a < b ? a : b; };
    const auto most = [](std::int16_t a, std::int16_t b) { return a > b ? a : b; };
    for (int y = 0; y < plane.rows; ++y) {
        const std::int16_t* __restrict at = plane.row(y);
        const std::int16_t *__restrict up1 = plane.row(y - 1), *__restrict up2 = plane.row(y - 2),
                           *__restrict up3 = plane.row(y - 3), *__restrict down1 = plane.row(y + 1),
                           *__restrict down2 = plane.row(y + 2), *__restrict down3 = plane.row(y + 3);
        std::int16_t* __restrict to = out.row(y);
        for (int x = 0; x < plane.columns; ++x) {
            const std::int16_t left = least(least(at[x - 1], at[x - 2]), at[x - 3]);
            const std::int16_t right = least(least(at[x + 1], at[x + 2]), at[x + 3]);
            const std::int16_t up = least(least(up1[x], up2[x]), up3[x]);
            const std::int16_t down = least(least(down1[x], down2[x]), down3[x]);
            const std::int16_t side = least(most(left, right), most(up, down));
            to[x] = static_cast<std::int16_t>(most(at[x], side) - side);
        }
    }
    return out;
}

Plane inverted(const Plane& plane) {
    Plane out(plane.rows, plane.columns);
    std::int16_t highest = 0;
    for (const std::int16_t value : plane.values) highest = std::max(highest, value);
    for (int y = 0; y < plane.rows; ++y) {
        const std::int16_t* from = plane.row(y);
        std::int16_t* to = out.row(y);
        for (int x = 0; x < plane.columns; ++x) to[x] = static_cast<std::int16_t>(highest - from[x]);
    }
    return out;
}

// Means of 2 x 2 pixels: what is one value stays that value.
Plane halved(const Plane& plane) {
    Plane out(plane.rows / 2, plane.columns / 2);
    for (int y = 0; y < out.rows; ++y) {
        const std::int16_t *a = plane.row(2 * y), *b = plane.row(2 * y + 1);
        std::int16_t* to = out.row(y);
        for (int x = 0; x < out.columns; ++x)
            to[x] = static_cast<std::int16_t>((a[2 * x] + a[2 * x + 1] + b[2 * x] + b[2 * x + 1] + 2) / 4);
    }
    return out;
}

// What is a stroke and no noise, of each tile: [tiles of a column, tiles of a row].
struct Thresholds {
    int across = 0;
    std::vector<int> least;
    Thresholds(const Plane& strokes, int range) : across((strokes.columns + kTile - 1) / kTile) {
        constexpr int kStep = 4;
        const int faintest = std::max(1, static_cast<int>(kFaintest * range));
        std::array<std::int16_t, (kTile / kStep) * (kTile / kStep)> some{};
        for (int top = 0; top < strokes.rows; top += kTile)
            for (int left = 0; left < strokes.columns; left += kTile) {
                std::size_t count = 0;
                for (int y = top; y < std::min(top + kTile, strokes.rows); y += kStep)
                    // Not the same columns in each row: text has its rhythm, too.
                    for (int x = left + y / kStep % kStep; x < std::min(left + kTile, strokes.columns);
                         x += kStep)
                        some[count++] = strokes.row(y)[x];
                const auto middle = some.begin() + static_cast<std::ptrdiff_t>(count / 2);
                std::nth_element(some.begin(), middle, some.begin() + static_cast<std::ptrdiff_t>(count));
                const int noise = count ? *middle : 0;
                least.push_back(std::max(faintest, static_cast<int>(kNoise * noise)));
            }
    }
};

struct Run {
    int y, begin, end;
};

// Which of several are one: the first of each stands for all.
class Sets {
public:
    explicit Sets(std::size_t count = 0) : parent_(count) { std::iota(parent_.begin(), parent_.end(), 0); }
    void add() { parent_.push_back(static_cast<std::uint32_t>(parent_.size())); }
    std::uint32_t first(std::size_t one) {
        auto at = static_cast<std::uint32_t>(one);
        while (parent_[at] != at) at = parent_[at] = parent_[parent_[at]];
        return at;
    }
    void join(std::size_t a, std::size_t b) {
        const std::uint32_t one = first(a), other = first(b);
        parent_[std::max(one, other)] = std::min(one, other);
    }

private:
    std::vector<std::uint32_t> parent_;
};

// Strokes that touch: a glyph, part of one, or several.
struct Component {
    Box box{INT32_MAX, INT32_MAX, 0, 0};
    int pixels = 0;
    int ink = 0;       // the highest value
    int contrast = 0;  // the strongest response
    int even = 0;      // pixels within a twelfth of the contrast of the ink
    int height() const { return box.bottom - box.top; }
    int width() const { return box.right - box.left; }
    int size() const { return std::max(height(), width()); }
    // A dash or a filled rectangle.
    bool is_straight() const {
        return std::min(height(), width()) <= 2 || 100 * pixels >= 85 * height() * width();
    }
};

std::vector<Component> components_of(const Plane& plane, const Plane& strokes, const Thresholds& thresholds) {
    std::vector<Run> runs;
    Sets sets;
    std::vector<std::uint8_t> is_stroke(static_cast<std::size_t>(plane.columns) + 8);
    std::size_t above = 0, above_end = 0;
    for (int y = 0; y < plane.rows; ++y) {
        const std::int16_t* row = strokes.row(y);
        for (int tile = 0; tile < thresholds.across; ++tile) {
            const int least =
                thresholds.least[static_cast<std::size_t>(y / kTile * thresholds.across + tile)];
            const auto bound = static_cast<std::int16_t>(std::min(least, INT16_MAX));
            const int end = std::min(plane.columns, (tile + 1) * kTile);
            for (int x = tile * kTile; x < end; ++x) is_stroke[static_cast<std::size_t>(x)] = row[x] >= bound;
        }
        const std::size_t begin = runs.size();
        for (int x = 0; x < plane.columns;) {
            std::uint64_t eight;
            std::memcpy(&eight, &is_stroke[static_cast<std::size_t>(x)], sizeof eight);
            if (eight == 0) {
                x += 8;
            } else if (!is_stroke[static_cast<std::size_t>(x)]) {
                ++x;
            } else {
                const int from = x;
                while (is_stroke[static_cast<std::size_t>(x)]) ++x;
                runs.push_back({y, from, x});
                sets.add();
            }
        }
        for (std::size_t i = begin; i < runs.size(); ++i) {
            while (above < above_end && runs[above].end < runs[i].begin) ++above;
            for (std::size_t j = above; j < above_end && runs[j].begin <= runs[i].end; ++j) sets.join(i, j);
        }
        above = begin;
        above_end = runs.size();
    }
    std::vector<Component> out;
    std::vector<std::uint32_t> number(runs.size());
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const std::uint32_t first = sets.first(i);
        if (first == i) {
            number[i] = static_cast<std::uint32_t>(out.size());
            out.emplace_back();
        }
        Component& one = out[number[first]];
        const Run& run = runs[i];
        one.box = {std::min(one.box.top, run.y), std::min(one.box.left, run.begin),
                   std::max(one.box.bottom, run.y + 1), std::max(one.box.right, run.end)};
        one.pixels += run.end - run.begin;
        const std::int16_t *value = plane.row(run.y), *response = strokes.row(run.y);
        for (int x = run.begin; x < run.end; ++x) {
            one.ink = std::max<int>(one.ink, value[x]);
            one.contrast = std::max<int>(one.contrast, response[x]);
        }
    }
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const Run& run = runs[i];
        Component& one = out[number[sets.first(i)]];
        const std::int16_t* value = plane.row(run.y);
        for (int x = run.begin; x < run.end; ++x) one.even += 12 * (one.ink - value[x]) <= one.contrast;
    }
    std::erase_if(out, [](const Component& one) {
        return one.pixels < 3 || one.size() < 3 || std::min(one.height(), one.width()) > kLargest ||
               one.size() > 4 * kLargest;
    });
    return out;
}

bool are_neighbours(const Component& a, const Component& b) {
    const int size = std::min(kLargest, std::max(a.size(), b.size()));
    if (4 * std::min(a.size(), b.size()) < std::min(a.size(), size)) return false;
    const int across = std::max(a.box.left, b.box.left) - std::min(a.box.right, b.box.right);
    const int down = std::max(a.box.top, b.box.top) - std::min(a.box.bottom, b.box.bottom);
    return std::max(across, down) <= size;
}

struct Block {
    std::vector<const Component*> parts;
    Box box() const {
        Box all{INT32_MAX, INT32_MAX, 0, 0};
        for (const Component* part : parts)
            all = {std::min(all.top, part->box.top), std::min(all.left, part->box.left),
                   std::max(all.bottom, part->box.bottom), std::max(all.right, part->box.right)};
        return all;
    }
};

// Of one ink: the same value; or, where a codec has lost a little, values that differ by a twentieth of the contrast.
enum class Ink { same, alike };

bool is_of_one_ink(const Component& a, const Component& b, Ink ink) {
    if (ink == Ink::same) return a.ink == b.ink;
    return 20 * std::abs(a.ink - b.ink) <= std::min(a.contrast, b.contrast);
}

// Blocks of components of one ink that are neighbours.
std::vector<Block> blocks_of(const std::vector<Component>& all, const Plane& plane, Ink ink) {
    constexpr int kCell = 64;
    const int down = plane.rows / kCell + 1, across = plane.columns / kCell + 1;
    const auto cell_of = [&](const Component& one) {
        return std::pair((one.box.top + one.box.bottom) / 2 / kCell,
                         (one.box.left + one.box.right) / 2 / kCell);
    };
    std::vector<std::vector<std::uint32_t>> cells(static_cast<std::size_t>(down) *
                                                  static_cast<std::size_t>(across));
    const auto at = [&](int y, int x) -> auto& {
        return cells[static_cast<std::size_t>(y * across + x)];
    };
    Sets sets(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto [y, x] = cell_of(all[i]);
        int left = kPairs;
        for (int v = std::max(0, y - 1); v <= std::min(down - 1, y + 1); ++v)
            for (int u = std::max(0, x - 1); u <= std::min(across - 1, x + 1); ++u) {
                const auto& cell = at(v, u);
                // The last ones first: components come row by row.
                for (auto j = cell.rbegin(); j != cell.rend() && left > 0; ++j, --left)
                    if (is_of_one_ink(all[i], all[*j], ink) && are_neighbours(all[i], all[*j]))
                        sets.join(i, *j);
            }
        at(y, x).push_back(static_cast<std::uint32_t>(i));
    }
    std::vector<std::uint32_t> number(all.size());
    std::vector<Block> blocks;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const std::uint32_t first = sets.first(i);
        if (first == i) {
            number[i] = static_cast<std::uint32_t>(blocks.size());
            blocks.emplace_back();
        }
        blocks[number[first]].parts.push_back(&all[i]);
    }
    return blocks;
}

// How many of the parts share an edge with two others, to a pixel and the sixteenth of their size.
std::size_t aligned(const Block& block, std::int32_t Box::*edge) {
    std::vector<std::int32_t> all;
    for (const Component* part : block.parts) all.push_back(part->box.*edge);
    std::ranges::sort(all);
    std::size_t count = 0;
    for (const Component* part : block.parts) {
        const int about = 1 + part->size() / 16;
        const auto [from, to] = std::pair(std::ranges::lower_bound(all, part->box.*edge - about),
                                          std::ranges::upper_bound(all, part->box.*edge + about));
        count += to - from >= 3;
    }
    return count;
}

// Found on planted text and clean images (tests/bench/text): strokes of text are even, stand far out, and stand in
// lines; or they are so many, so even and stand out so far that lines do not matter (large or handwritten ones).
struct Least {
    int parts;
    double contrast, even, lined;  // parts of the frame's range, of the pixels, of the parts
    double free_contrast, free_even;
    int free_pixels;
};
constexpr Least kSame{3, 0.25, 0.2, 0.5, 0.33, 0.2, 170}, kAlike{4, 0.4, 0.3, 0.7, 0.5, 0.36, 230};

bool is_text(const Block& block, Ink ink, int range) {
    const Least& least = ink == Ink::same ? kSame : kAlike;
    const std::size_t parts = block.parts.size();
    if (parts < 3) return false;
    int even = 0, pixels = 0;
    std::size_t straight = 0;
    std::vector<int> contrasts;
    for (const Component* part : block.parts) {
        even += part->even;
        pixels += part->pixels;
        straight += part->is_straight();
        contrasts.push_back(part->contrast);
    }
    const auto middle = contrasts.begin() + static_cast<std::ptrdiff_t>(parts / 2);
    std::nth_element(contrasts.begin(), middle, contrasts.end());
    const double contrast = static_cast<double>(*middle) / std::max(1, range);
    if (10 * straight >= 9 * parts || contrast < least.contrast || even < least.even * pixels) return false;
    if (contrast >= least.free_contrast && even >= least.free_even * pixels && pixels > least.free_pixels)
        return true;
    const std::size_t lined = std::max({aligned(block, &Box::bottom), aligned(block, &Box::top),
                                        aligned(block, &Box::left), aligned(block, &Box::right)});
    return parts >= static_cast<std::size_t>(least.parts) &&
           static_cast<double>(lined) >= least.lined * static_cast<double>(parts);
}

// The block's box with what stands beside it: the rest of a word, and words of it that other things disturb. What is about as
// large and stands out half as far as its faintest part, within a glyph and a half.
Box whole(const Block& block, const std::vector<Component>& all) {
    int size = 0, contrast = INT_MAX;
    for (const Component* part : block.parts) {
        size = std::max(size, std::min(kLargest, part->size()));
        contrast = std::min(contrast, part->contrast);
    }
    Box box = block.box();
    for (int time = 0; time < 8; ++time) {
        const Box before = box;
        for (const Component& one : all) {
            const int across = std::max(one.box.left, box.left) - std::min(one.box.right, box.right);
            const int down = std::max(one.box.top, box.top) - std::min(one.box.bottom, box.bottom);
            if (2 * std::max(across, down) > 3 * size || one.size() > 2 * size || 2 * one.contrast < contrast)
                continue;
            box = {std::min(box.top, one.box.top), std::min(box.left, one.box.left),
                   std::max(box.bottom, one.box.bottom), std::max(box.right, one.box.right)};
        }
        if (box == before) break;
    }
    // A glyph that touches something larger is part of it: along the line there may be one more.
    const int more = size * 3 / 2;
    if (box.right - box.left >= box.bottom - box.top)
        box.left -= more, box.right += more;
    else
        box.top -= more, box.bottom += more;
    return box;
}

}  // namespace

std::vector<Box> find_text(const Plane& plane) {
    std::vector<Box> out;
    Plane now = plane;
    const int range = range_of(plane);
    for (int scale = 0; scale < kScales && now.rows > 0 && now.columns > 0; ++scale) {
        if (scale) now = halved(now);
        for (const bool is_dark : {false, true}) {
            const Plane turned = is_dark ? inverted(now) : Plane();
            const Plane& lit = is_dark ? turned : now;
            const Plane strokes = strokes_of(lit);
            const std::vector<Component> all = components_of(lit, strokes, Thresholds(strokes, range));
            for (const Ink ink : {Ink::same, Ink::alike})
                for (const Block& block : blocks_of(all, lit, ink))
                    if (is_text(block, ink, range)) {
                        const Box box = out.size() < kGrown ? whole(block, all) : block.box();
                        out.push_back({std::max(0, box.top << scale), std::max(0, box.left << scale),
                                       std::min(plane.rows, box.bottom << scale),
                                       std::min(plane.columns, box.right << scale)});
                    }
        }
    }
    return out;
}

std::vector<Box> find_text(const Pixels& pixels, std::uint32_t frame) {
    std::vector<Box> out;
    for (std::uint32_t channel = 0; channel < pixels.samples; ++channel) {
        const std::vector<Box> more = find_text(plane_of(pixels, frame, channel));
        out.insert(out.end(), more.begin(), more.end());
    }
    return out;
}

}  // namespace staging
