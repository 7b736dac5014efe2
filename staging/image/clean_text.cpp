#include "staging/image/clean_text.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

namespace staging {
namespace {

constexpr std::size_t kMostBoxes = 256;  // of a frame; more are a page
constexpr int kMargin = 3;               // pixels around strokes: what their edges fade into
constexpr int kAround = 4;               // pixels around a box that tell what it lies on

bool overlap(const Box& a, const Box& b) {
    return a.top < b.bottom && b.top < a.bottom && a.left < b.right && b.left < a.right;
}

Box grown(const Box& box, int by, int rows, int columns) {
    return {std::max(0, box.top - by), std::max(0, box.left - by), std::min(rows, box.bottom + by),
            std::min(columns, box.right + by)};
}

// Boxes that overlap become one.
std::vector<Box> merged(const std::vector<Box>& found, int rows, int columns) {
    std::vector<Box> out;
    for (const Box& box : found) {
        Box now = grown(box, kMargin, rows, columns);
        for (std::size_t i = 0; i < out.size();) {
            if (!overlap(out[i], now)) {
                ++i;
                continue;
            }
            now = {std::min(now.top, out[i].top), std::min(now.left, out[i].left),
                   std::max(now.bottom, out[i].bottom), std::max(now.right, out[i].right)};
            out.erase(out.begin() + static_cast<std::ptrdiff_t>(i));
            i = 0;
        }
        out.push_back(now);
    }
    return out;
}

// What of a frame is background, beside the boxes.
class Ground {
public:
    Ground(const Pixels& pixels, std::uint32_t frame, const std::vector<Box>& boxes)
        : rows_(static_cast<int>(pixels.rows)),
          columns_(static_cast<int>(pixels.columns)),
          state_(std::size_t{pixels.rows} * pixels.columns, kUnknown) {
        for (std::uint32_t channel = 0; channel < pixels.samples; ++channel)
            planes_.push_back(plane_of(pixels, frame, channel));
        for (const Box& box : boxes)
            for (int y = box.top; y < box.bottom; ++y)
                std::fill(&at(y, box.left), &at(y, box.left) + (box.right - box.left), kCovered);
        find_background();
    }

    // The pixel whose value stands for the background; none: text covers the whole edge.
    std::optional<std::size_t> background() const { return background_; }
    bool is_over_background(const Box& box) const {
        const Box outer = grown(box, kAround, rows_, columns_);
        int around = 0, of_it = 0, inside = 0, level = 0;
        for (int y = outer.top; y < outer.bottom; ++y)
            for (int x = outer.left; x < outer.right; ++x) {
                const bool is_inside = y >= box.top && y < box.bottom && x >= box.left && x < box.right;
                if (is_inside) {
                    ++inside;
                    level += is_level(y, x);
                } else if (state_[index(y, x)] != kCovered) {
                    ++around;
                    of_it += state_[index(y, x)] == kBackground;
                }
            }
        return around > 0 && 20 * of_it >= 19 * around && 4 * level >= inside;
    }

private:
    enum State : std::uint8_t { kUnknown, kCovered, kBackground };
    std::size_t index(int y, int x) const {
        return static_cast<std::size_t>(y) * static_cast<std::size_t>(columns_) + static_cast<std::size_t>(x);
    }
    std::uint8_t& at(int y, int x) { return state_[index(y, x)]; }
    bool is_level(int y, int x) const {
        for (std::size_t c = 0; c < planes_.size(); ++c)
            if (std::abs(planes_[c].row(y)[x] - level_[c]) > about_[c]) return false;
        return true;
    }

    void find_background() {
        std::vector<std::pair<int, std::size_t>> edge;  // the first channel's value, and where
        const auto look = [&](int y, int x) {
            if (at(y, x) != kCovered) edge.emplace_back(planes_[0].row(y)[x], index(y, x));
        };
        for (int x = 0; x < columns_; ++x) look(0, x), look(rows_ - 1, x);
        for (int y = 0; y < rows_; ++y) look(y, 0), look(y, columns_ - 1);
        if (edge.empty()) return;
        const auto middle = edge.begin() + static_cast<std::ptrdiff_t>(edge.size() / 2);
        std::nth_element(edge.begin(), middle, edge.end());
        background_ = middle->second;
        const auto width = static_cast<std::size_t>(columns_);
        for (const Plane& plane : planes_) {
            level_.push_back(plane.row(static_cast<int>(*background_ / width))[*background_ % width]);
            about_.push_back(std::max(1, range_of(plane) / 30));
        }
        std::vector<std::pair<int, int>> next;
        const auto reach = [&](int y, int x) {
            if (y < 0 || x < 0 || y >= rows_ || x >= columns_) return;
            std::uint8_t& state = at(y, x);
            if (state == kUnknown && is_level(y, x)) {
                state = kBackground;
                next.emplace_back(y, x);
            }
        };
        for (const auto& [value, where] : edge)
            reach(static_cast<int>(where / width), static_cast<int>(where % width));
        while (!next.empty()) {
            const auto [y, x] = next.back();
            next.pop_back();
            for (const auto& [down, right] : {std::pair{1, 0}, {-1, 0}, {0, 1}, {0, -1}})
                reach(y + down, x + right);
        }
    }

    int rows_, columns_;
    std::vector<std::uint8_t> state_;
    std::vector<Plane> planes_;
    std::vector<int> level_, about_;
    std::optional<std::size_t> background_;
};

Rejection text(const char* where) {
    return {Reason::risk_burned_in_text, where};
}

}  // namespace

std::variant<TextCleaned, Rejection> clean_text(const Record& record, TextPolicy policy) {
    TextCleaned out;
    if (policy == TextPolicy::allow) return out;
    Pixels pixels = record.pixels;  // of the bytes as they are by now
    const std::size_t pixel_bytes = pixels.samples * pixel_type_bytes(pixels.type);
    for (std::uint32_t frame = 0; frame < pixels.frames; ++frame) {
        const std::vector<Box> found = find_text(pixels, frame);
        if (found.empty()) continue;
        if (policy == TextPolicy::quarantine) return text("pixels");
        if (found.size() > kMostBoxes) return text("a page of it");
        const std::vector<Box> boxes =
            merged(found, static_cast<int>(pixels.rows), static_cast<int>(pixels.columns));
        const Ground judged(pixels, frame, boxes);
        if (!judged.background()) return text("over the anatomy");
        for (const Box& box : boxes)
            if (!judged.is_over_background(box)) return text("over the anatomy");
        if (out.bytes.empty()) out.bytes.assign(pixels.bytes.begin(), pixels.bytes.end());
        std::uint8_t* first =
            out.bytes.data() + std::size_t{frame} * pixels.rows * pixels.columns * pixel_bytes;
        const core::Bytes paper(first + *judged.background() * pixel_bytes,
                                first + (*judged.background() + 1) * pixel_bytes);
        for (const Box& box : boxes)
            for (int y = box.top; y < box.bottom; ++y)
                for (int x = box.left; x < box.right; ++x)
                    std::memcpy(
                        first + (static_cast<std::size_t>(y) * pixels.columns + static_cast<std::size_t>(x)) *
                                    pixel_bytes,
                        paper.data(), pixel_bytes);
        pixels.bytes = out.bytes;
        if (!find_text(pixels, frame).empty()) return text("left after blanking");
        ++out.frames;
        out.boxes += boxes.size();
    }
    return out;
}

}  // namespace staging
