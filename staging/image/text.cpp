#include "staging/image/text.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <utility>

namespace staging {
namespace {

constexpr int kScales = 3;          // strokes of up to 3, 6 and 12 pixels
constexpr int kSmallest = 6;        // pixels of a glyph, at a scale that is not the finest
constexpr int kPairs = 256;         // neighbours that are looked at, of one component: what bounds the time
constexpr std::size_t kGrown = 64;  // blocks that are looked around, of a frame: more are a page

bool are_neighbours(const Component& a, const Component& b) {
    const int size = std::min(kLargestGlyph, std::max(a.size(), b.size()));
    if (4 * std::min(a.size(), b.size()) < std::min(a.size(), size)) return false;
    const int across = std::max(a.box.left, b.box.left) - std::min(a.box.right, b.box.right);
    const int down = std::max(a.box.top, b.box.top) - std::min(a.box.bottom, b.box.bottom);
    return std::max(across, down) <= size;
}

struct Block {
    std::vector<const Component*> parts;
    Box box() const {
        Box all{INT32_MAX, INT32_MAX, 0, 0};
        for (const Component* part : parts) all = joined(all, part->box);
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

// FoundText on planted text and clean images (tests/bench/text): strokes of text are even, stand far out, and stand in
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
// large and stands out half as far as its faintest part, within a glyph and a half. It becomes part of the block.
Box whole(Block& block, const std::vector<Component>& all) {
    int size = 0, contrast = INT_MAX;
    for (const Component* part : block.parts) {
        size = std::max(size, std::min(kLargestGlyph, part->size()));
        contrast = std::min(contrast, part->contrast);
    }
    Box box = block.box();
    std::vector<bool> is_part(all.size());
    for (int time = 0; time < 8; ++time) {
        const Box before = box;
        for (std::size_t i = 0; i < all.size(); ++i) {
            const Component& one = all[i];
            const int across = std::max(one.box.left, box.left) - std::min(one.box.right, box.right);
            const int down = std::max(one.box.top, box.top) - std::min(one.box.bottom, box.bottom);
            if (2 * std::max(across, down) > 3 * size || one.size() > 2 * size || 2 * one.contrast < contrast)
                continue;
            box = joined(box, one.box);
            if (!is_part[i]) block.parts.push_back(&one);
            is_part[i] = true;
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

// Where the text of one scale and polarity is told.
class Notes {
public:
    Notes(FoundText& found, const Plane& plane, int scale) : found_(found), plane_(plane), scale_(scale) {}

    Box full(const Box& box) const {
        return {std::max(0, box.top << scale_), std::max(0, box.left << scale_),
                std::min(plane_.rows, box.bottom << scale_), std::min(plane_.columns, box.right << scale_)};
    }
    // The runs of these components are text's strokes.
    void draw(const Strokes& strokes, const std::vector<const Component*>& parts) {
        const auto columns = static_cast<std::size_t>(plane_.columns);
        if (found_.strokes.empty()) found_.strokes.resize(static_cast<std::size_t>(plane_.rows) * columns);
        std::vector<bool> is_text(strokes.runs.size());
        for (const Component* part : parts) is_text[part->first] = true;
        for (const Strokes::Run& run : strokes.runs) {
            if (!is_text[run.first]) continue;
            const Box box = full({run.y, run.begin, run.y + 1, run.end});
            for (int y = box.top; y < box.bottom; ++y)
                std::fill_n(found_.strokes.begin() + y * plane_.columns + box.left, box.right - box.left, 1);
        }
    }

private:
    FoundText& found_;
    const Plane& plane_;
    int scale_;
};

// What is of a block's ink, about, and no larger than twice its glyphs, wherever it is.
void find_alike(const std::vector<Component>& all, const Block& block, std::vector<bool>& is_alike) {
    int size = 0;
    std::vector<int> inks, contrasts;
    for (const Component* part : block.parts) {
        size = std::max(size, part->size());
        inks.push_back(part->ink);
        contrasts.push_back(part->contrast);
    }
    const auto middle = [](std::vector<int>& of) {
        const auto at = of.begin() + static_cast<std::ptrdiff_t>(of.size() / 2);
        std::nth_element(of.begin(), at, of.end());
        return *at;
    };
    const int ink = middle(inks), contrast = middle(contrasts);
    for (std::size_t i = 0; i < all.size(); ++i)
        if (4 * std::abs(all[i].ink - ink) <= contrast && 2 * all[i].contrast >= contrast &&
            all[i].size() <= 2 * size)
            is_alike[i] = true;
}

}  // namespace

FoundText find_text(const Plane& plane) {
    FoundText out;
    Plane now = plane;
    const int range = range_of(plane);
    for (int scale = 0; scale < kScales; ++scale) {
        if (scale) now = halved(now);
        if (now.rows == 0 || now.columns == 0) break;
        Notes notes(out, plane, scale);
        for (const bool is_dark : {false, true}) {
            const Plane turned = is_dark ? inverted(now) : Plane();
            const Plane& lit = is_dark ? turned : now;
            Strokes strokes = strokes_in(lit, range);
            if (strokes.is_too_much) {
                out.is_too_much = true;
                return out;
            }
            std::vector<Component>& all = strokes.components;
            // So small a glyph has strokes that were seen at a finer scale: here it would be a spot.
            if (scale) std::erase_if(all, [](const Component& one) { return one.size() < kSmallest; });
            std::vector<const Component*> text;
            std::vector<bool> is_alike(all.size()), is_told(all.size());
            for (const Ink ink : {Ink::same, Ink::alike})
                for (Block& block : blocks_of(all, lit, ink)) {
                    if (!is_text(block, ink, range)) continue;
                    if (out.boxes.size() < kGrown) find_alike(all, block, is_alike);
                    out.boxes.push_back(
                        notes.full(out.boxes.size() < kGrown ? whole(block, all) : block.box()));
                    text.insert(text.end(), block.parts.begin(), block.parts.end());
                }
            if (text.empty()) continue;
            for (const Component* part : text) is_told[static_cast<std::size_t>(part - all.data())] = true;
            for (std::size_t i = 0; i < all.size(); ++i) {
                if (!is_alike[i] || is_told[i]) continue;
                out.alike.push_back(notes.full(all[i].box));
                text.push_back(&all[i]);
            }
            notes.draw(strokes, text);
        }
    }
    return out;
}

FoundText find_text(const Pixels& pixels, std::uint32_t frame, const Padding& padding) {
    FoundText out;
    for (std::uint32_t channel = 0; channel < pixels.samples; ++channel) {
        FoundText more = find_text(plane_of(pixels, frame, channel, padding));
        out.boxes.insert(out.boxes.end(), more.boxes.begin(), more.boxes.end());
        out.alike.insert(out.alike.end(), more.alike.begin(), more.alike.end());
        out.is_too_much |= more.is_too_much;
        if (out.strokes.empty())
            out.strokes = std::move(more.strokes);
        else
            for (std::size_t i = 0; i < more.strokes.size(); ++i) out.strokes[i] |= more.strokes[i];
    }
    return out;
}

}  // namespace staging
