#pragma once
#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "staging/image/plane.h"

namespace staging {

// A rectangle of a frame, in pixels; bottom and right are just outside.
struct Box {
    std::int32_t top = 0, left = 0, bottom = 0, right = 0;
    bool operator==(const Box&) const = default;
};
inline Box joined(const Box& a, const Box& b) {
    return {std::min(a.top, b.top), std::min(a.left, b.left), std::max(a.bottom, b.bottom),
            std::max(a.right, b.right)};
}

inline constexpr int kLargestGlyph = 48;  // a glyph's height, at its scale
inline constexpr std::size_t kMostRuns = std::size_t{1}
                                         << 21;  // of a frame at one scale: what bounds the memory

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
    int ink = 0;              // the highest value
    int contrast = 0;         // the strongest response
    int even = 0;             // pixels within a twelfth of the contrast of the ink
    std::uint32_t first = 0;  // the run that stands for it
    int height() const { return box.bottom - box.top; }
    int width() const { return box.right - box.left; }
    int size() const { return std::max(height(), width()); }
    // A dash, a filled rectangle or a disc.
    bool is_straight() const {
        return std::min(height(), width()) <= 2 || 4 * pixels >= 3 * height() * width();
    }
};

struct Strokes {
    struct Run {
        int y, begin, end;
        std::uint32_t first = 0;  // the run that stands for all that touch
    };
    std::vector<Run> runs;              // row by row
    std::vector<Component> components;  // without those too small or too large for a glyph
    bool is_too_much = false;           // more than kMostRuns: nothing else is told
};

// The strokes of a plane that are lighter than what lies on both sides of them within three pixels. `range`: as range_of.
Strokes strokes_in(const Plane& plane, int range);

// What was dark is light; outside of the frame its edge goes on.
Plane inverted(const Plane& plane);
// Means of 2 x 2 pixels: what is one value stays that value.
Plane halved(const Plane& plane);

}  // namespace staging
