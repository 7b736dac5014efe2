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
constexpr int kThickest = 6;             // pixels of a stroke with its edges

bool overlap(const Box& a, const Box& b) {
    return a.top < b.bottom && b.top < a.bottom && a.left < b.right && b.left < a.right;
}

Box grown(const Box& box, int by, int rows, int columns) {
    return {std::max(0, box.top - by), std::max(0, box.left - by), std::min(rows, box.bottom + by),
            std::min(columns, box.right + by)};
}

// Boxes that overlap become one.
std::vector<Box> merged(const std::vector<Box>& found) {
    std::vector<Box> out;
    for (const Box& box : found) {
        Box now = box;
        for (std::size_t i = 0; i < out.size();) {
            if (!overlap(out[i], now)) {
                ++i;
                continue;
            }
            now = joined(now, out[i]);
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
    Ground(const Pixels& pixels, std::uint32_t frame, const Padding& padding, const std::vector<Box>& boxes)
        : rows_(static_cast<int>(pixels.rows)),
          columns_(static_cast<int>(pixels.columns)),
          state_(std::size_t{pixels.rows} * pixels.columns, kUnknown) {
        for (std::uint32_t channel = 0; channel < pixels.samples; ++channel)
            planes_.push_back(plane_of(pixels, frame, channel, padding));
        for (const Box& box : boxes)
            for (int y = box.top; y < box.bottom; ++y)
                std::fill(&at(y, box.left), &at(y, box.left) + (box.right - box.left), kCovered);
        find_background(pixels.photometric == "MONOCHROME1");
    }

    // The pixel whose value stands for the background; none: text covers the whole edge, or it is not at its end.
    std::optional<std::size_t> background() const { return background_; }
    bool is_over_background(const Box& box) const {
        const Box outer = grown(box, kAround, rows_, columns_);
        int around = 0, of_it = 0;
        for (int y = outer.top; y < outer.bottom; ++y)
            for (int x = outer.left; x < outer.right; ++x) {
                const bool is_inside = y >= box.top && y < box.bottom && x >= box.left && x < box.right;
                if (is_inside || state_[index(y, x)] == kCovered) continue;
                ++around;
                of_it += state_[index(y, x)] == kBackground;
            }
        return around > 0 && 20 * of_it >= 19 * around;
    }
    // Nothing but background and thin strokes of text. `near`: [rows, columns], within the margin of a stroke.
    bool is_only_text(const Box& box, const std::vector<std::uint8_t>& near) const {
        int inside = 0, known = 0;
        // The side of the largest square of what is not level that ends at each pixel, of this row and the one before.
        const auto width = static_cast<std::size_t>(box.right - box.left);
        std::vector<int> above(width + 1), now(width + 1);
        for (int y = box.top; y < box.bottom; ++y) {
            for (int x = box.left; x < box.right; ++x) {
                const auto i = static_cast<std::size_t>(x - box.left) + 1;
                const bool level = is_level(y, x);
                now[i] = level ? 0 : 1 + std::min({above[i], above[i - 1], now[i - 1]});
                if (now[i] > kThickest) return false;
                ++inside;
                known += level || near[index(y, x)];
            }
            above.swap(now);
        }
        return 50 * known >= 49 * inside;
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

    void find_background(bool is_inverted) {
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
            const auto [low, high] = ends_of(plane);
            about_.push_back(std::max(1, (high - low) / 30));
            const int off = is_inverted ? high - level_.back() : level_.back() - low;
            if (20 * off > high - low) {
                background_.reset();
                return;
            }
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

// What is within the margin of a stroke.
std::vector<std::uint8_t> near_strokes(const std::vector<std::uint8_t>& strokes, int rows, int columns) {
    std::vector<std::uint8_t> out(strokes.size());
    const auto at = [&](int y, int x) {
        return static_cast<std::size_t>(y) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(x);
    };
    for (int y = 0; y < rows; ++y)
        for (int x = 0; x < columns; ++x) {
            if (!strokes[at(y, x)]) continue;
            const Box box = grown({y, x, y + 1, x + 1}, kMargin, rows, columns);
            for (int v = box.top; v < box.bottom; ++v)
                std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(at(v, box.left)), box.right - box.left,
                            1);
        }
    return out;
}

Rejection text(const char* where) {
    return {Reason::risk_burned_in_text, where};
}

// What of a frame is to be blanked, and the pixel whose value it gets.
struct Plan {
    std::vector<Box> boxes;
    std::size_t paper = 0;
};

std::variant<Plan, Rejection> plan_of(const Pixels& pixels, std::uint32_t frame, const Padding& padding,
                                      const FoundText& found) {
    const int rows = static_cast<int>(pixels.rows), columns = static_cast<int>(pixels.columns);
    if (found.boxes.size() > kMostBoxes) return text("a page of it");
    std::vector<Box> boxes;
    for (const Box& box : found.boxes) boxes.push_back(grown(box, kMargin, rows, columns));
    boxes = merged(boxes);
    const Ground ground(pixels, frame, padding, boxes);
    if (!ground.background()) return text("over the anatomy");
    const std::size_t words = boxes.size();
    for (const Box& box : found.alike) {
        const Box one = grown(box, kMargin, rows, columns);
        if (std::ranges::any_of(boxes, [&](const Box& known) { return joined(known, one) == known; }))
            continue;
        if (ground.is_over_background(one)) boxes.push_back(one);
        if (boxes.size() - words > kMostBoxes) return text("a page of it");
    }
    boxes = merged(boxes);
    const std::vector<std::uint8_t> near = near_strokes(found.strokes, rows, columns);
    std::int64_t area = 0;
    for (const Box& box : boxes) {
        if (!ground.is_over_background(box) || !ground.is_only_text(box, near))
            return text("over the anatomy");
        area += std::int64_t{box.bottom - box.top} * (box.right - box.left);
    }
    if (4 * area > std::int64_t{rows} * columns) return text("a page of it");
    return Plan{std::move(boxes), *ground.background()};
}

}  // namespace

std::variant<TextCleaned, Rejection> clean_text(const Record& record, TextPolicy policy,
                                                const std::function<bool()>& stop) {
    TextCleaned out;
    if (policy == TextPolicy::allow) return out;
    Pixels pixels = record.pixels;  // of the bytes as they are by now
    const std::size_t pixel_bytes = pixels.samples * pixel_type_bytes(pixels.type);
    for (std::uint32_t frame = 0; frame < pixels.frames; ++frame) {
        if (stop && stop()) {
            out.stopped = true;
            return out;
        }
        const FoundText found = find_text(pixels, frame, record.padding);
        if (found.is_too_much) return text("more strokes than an image has");
        if (found.boxes.empty()) continue;
        if (policy == TextPolicy::quarantine) return text("pixels");
        auto plan = plan_of(pixels, frame, record.padding, found);
        if (auto* rejection = std::get_if<Rejection>(&plan)) return std::move(*rejection);
        const auto& [boxes, background] = std::get<Plan>(plan);
        if (out.bytes.empty()) out.bytes.assign(pixels.bytes.begin(), pixels.bytes.end());
        std::uint8_t* first =
            out.bytes.data() + std::size_t{frame} * pixels.rows * pixels.columns * pixel_bytes;
        const core::Bytes paper(first + background * pixel_bytes, first + (background + 1) * pixel_bytes);
        for (const Box& box : boxes)
            for (int y = box.top; y < box.bottom; ++y)
                for (int x = box.left; x < box.right; ++x)
                    std::memcpy(
                        first + (static_cast<std::size_t>(y) * pixels.columns + static_cast<std::size_t>(x)) *
                                    pixel_bytes,
                        paper.data(), pixel_bytes);
        pixels.bytes = out.bytes;
        if (!find_text(pixels, frame, record.padding).boxes.empty()) return text("left after blanking");
        ++out.frames;
        out.boxes += boxes.size();
    }
    if (!out.bytes.empty()) out.sha256 = core::sha256(out.bytes);
    return out;
}

}  // namespace staging
