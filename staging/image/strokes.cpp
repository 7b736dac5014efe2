#include "staging/image/strokes.h"

#include <array>
#include <cstring>

namespace staging {
namespace {

constexpr int kTile = 32;          // pixels in which noise is alike
constexpr double kNoise = 5;       // strokes stand out from noise by so many times its median response
constexpr double kFaintest = 0.1;  // and by this part of the frame's range

// How much a pixel is above both of its sides, along the row or the column.
Plane responses_of(const Plane& plane) {
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

}  // namespace

Plane inverted(const Plane& plane) {
    constexpr int kMargin = Plane::kMargin;
    Plane out(plane.rows, plane.columns);
    std::int16_t highest = 0;
    for (const std::int16_t value : plane.values) highest = std::max(highest, value);
    for (int y = -kMargin; y < plane.rows + kMargin; ++y) {
        const std::int16_t* from = plane.row(std::clamp(y, 0, plane.rows - 1));
        std::int16_t* to = out.row(y);
        for (int x = 0; x < plane.columns; ++x) to[x] = static_cast<std::int16_t>(highest - from[x]);
        std::fill(to - kMargin, to, to[0]);
        std::fill(to + plane.columns, to + plane.columns + kMargin, to[plane.columns - 1]);
    }
    return out;
}

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

Strokes strokes_in(const Plane& plane, int range) {
    using Run = Strokes::Run;
    const Plane strokes = responses_of(plane);
    const Thresholds thresholds(strokes, range);
    Strokes found;
    std::vector<Run>& runs = found.runs;
    std::vector<Component>& out = found.components;
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
                runs.push_back({y, from, x, 0});
                sets.add();
            }
        }
        for (std::size_t i = begin; i < runs.size(); ++i) {
            while (above < above_end && runs[above].end < runs[i].begin) ++above;
            for (std::size_t j = above; j < above_end && runs[j].begin <= runs[i].end; ++j) sets.join(i, j);
        }
        above = begin;
        above_end = runs.size();
        if (runs.size() > kMostRuns) return {{}, {}, true};
    }
    std::vector<std::uint32_t> number(runs.size());
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const std::uint32_t first = sets.first(i);
        if (first == i) {
            number[i] = static_cast<std::uint32_t>(out.size());
            out.emplace_back().first = first;
        }
        runs[i].first = first;
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
        Component& one = out[number[run.first]];
        const std::int16_t* value = plane.row(run.y);
        for (int x = run.begin; x < run.end; ++x) one.even += 12 * (one.ink - value[x]) <= one.contrast;
    }
    std::erase_if(out, [](const Component& one) {
        return one.pixels < 3 || one.size() < 3 || std::min(one.height(), one.width()) > kLargestGlyph ||
               one.size() > 4 * kLargestGlyph;
    });
    return found;
}

}  // namespace staging
