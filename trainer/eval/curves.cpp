#include "trainer/eval/curves.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

namespace trainer {
namespace {

constexpr std::size_t kCells = CurveCells::kCells, kHalf = kCells / 2;
// The lower end of each cell; with t there is 1 - t.
constexpr std::array<double, kCells> kThresholds{
    0.9999, 0.999, 0.99, 0.98, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7,  0.65, 0.6,   0.55,   0.5,
    0.45,   0.4,   0.35, 0.3,  0.25, 0.2, 0.15, 0.1, 0.05, 0.02, 0.01, 0.001, 0.0001, 0.0};
constexpr double kSame = 2e-7;  // of float32 below 1: p and 1 - (1 - p)

struct Group {
    std::int64_t samples = 0;
    std::set<std::uint64_t> patients;  // `least` of them where there are more

    void add(std::uint64_t patient, std::int64_t least) {
        ++samples;
        if (std::ssize(patients) < least) patients.insert(patient);
    }
    void add(const Group& other) {
        samples += other.samples;
        patients.insert(other.patients.begin(), other.patients.end());
    }
    bool is_safe(std::int64_t least) const { return samples == 0 || std::ssize(patients) >= least; }
};
// Of each kind, with the class and without it, by what is told beside the curve.
using Kinds = std::array<std::map<std::uint8_t, Group>, 2>;

// `all`: of the whole curve.
bool may_be_told(const Kinds& part, const Kinds& all, std::int64_t least) {
    for (std::size_t kind = 0; kind < part.size(); ++kind) {
        Group together;
        for (const auto& [told, group] : part[kind]) {
            together.add(group);
            if (!group.is_safe(least) && group.samples != all[kind].at(told).samples) return false;
        }
        if (!together.is_safe(least)) return false;
    }
    return true;
}

// Of some curves: which parts all of them may be cut into, and how many of them have samples there.
struct Common {
    std::array<std::array<bool, kCells + 1>, kCells + 1> may_be_told;
    std::array<std::array<int, kCells + 1>, kCells + 1> points{};

    Common() {
        for (auto& row : may_be_told) row.fill(true);
    }
    void add(const CurveCells& curve) {
        for (std::size_t first = 0; first < kCells; ++first) {
            bool is_any = false;
            for (std::size_t end = first + 1; end <= kCells; ++end) {
                is_any = is_any || curve.positives[end - 1] + curve.negatives[end - 1] > 0;
                points[first][end] += is_any;
                may_be_told[first][end] = may_be_told[first][end] && curve.may_be_told[first][end];
            }
        }
    }
};

struct Cuts {
    int points = 0;                 // of all curves together
    std::vector<std::size_t> ends;  // of the parts, in cells; empty: there are none that may be told
};

// Those with the most points, from both ends to the middle.
Cuts cuts_of(const Common& common) {
    constexpr int kNever = -1;
    std::array<int, kHalf + 1> most{};
    std::array<std::size_t, kHalf + 1> before{};
    most.fill(kNever);
    most[0] = 0;
    Cuts best{kNever, {}};
    std::size_t middle = 0;
    for (std::size_t first = 0; first <= kHalf; ++first) {
        if (most[first] == kNever) continue;
        const std::size_t last = kCells - first;
        const bool is_cut = first == kHalf;  // in the middle
        const int points = most[first] + (is_cut ? 0 : common.points[first][last]);
        if ((is_cut || common.may_be_told[first][last]) && points > best.points)
            best.points = points, middle = first;
        for (std::size_t end = first + 1; end <= kHalf; ++end) {
            if (!common.may_be_told[first][end] || !common.may_be_told[kCells - end][last]) continue;
            const int reached = most[first] + common.points[first][end] + common.points[kCells - end][last];
            if (reached > most[end]) most[end] = reached, before[end] = first;
        }
    }
    if (best.points == kNever) return {};
    std::set<std::size_t> ends{kCells};
    for (std::size_t end = middle; end > 0; end = before[end]) ends.insert({end, kCells - end});
    best.ends.assign(ends.begin(), ends.end());
    return best;
}

std::vector<CurvePoint> points_of(const CurveCells& cells, const std::vector<std::size_t>& ends) {
    const auto sum = [](const auto& counts, std::size_t first, std::size_t end) {
        return static_cast<double>(std::accumulate(counts.begin() + static_cast<std::ptrdiff_t>(first),
                                                   counts.begin() + static_cast<std::ptrdiff_t>(end),
                                                   std::int64_t{0}));
    };
    const double positives = sum(cells.positives, 0, kCells), negatives = sum(cells.negatives, 0, kCells);
    std::vector<CurvePoint> out;
    std::size_t first = 0;
    for (const std::size_t end : ends) {
        const double found = sum(cells.positives, 0, end), alarms = sum(cells.negatives, 0, end);
        if (sum(cells.positives, first, end) + sum(cells.negatives, first, end) > 0)
            out.push_back(
                {kThresholds[end - 1], found / positives, 1 - alarms / negatives, found / (found + alarms)});
        first = end;
    }
    out.back().threshold = kThresholds.back();  // of what lies below nothing was counted
    return out;
}

}  // namespace

CurveCells curve_cells(std::string name, std::span<const CurveSample> samples, std::int64_t least) {
    CurveCells out;
    out.name = std::move(name);
    Kinds all;
    std::array<Kinds, kCells> cells;
    std::array<std::array<Group, 2>, kCells> on;  // the lower end of a cell
    for (const CurveSample& each : samples) {
        if (!std::isfinite(each.probability)) {
            out.is_scored = false;
            return out;
        }
        const auto found = std::find_if(kThresholds.begin(), kThresholds.end() - 1, [&](double threshold) {
            return each.probability >= static_cast<float>(threshold);
        });
        const auto cell = static_cast<std::size_t>(found - kThresholds.begin());
        const std::size_t kind = each.is_positive;
        ++(each.is_positive ? out.positives : out.negatives)[cell];
        all[kind][each.told].add(each.patient, least);
        cells[cell][kind][each.told].add(each.patient, least);
        for (const std::size_t near : {cell, cell - 1})  // of the first cell there is none above
            if (near < kCells - 1 &&
                std::abs(static_cast<double>(each.probability) - kThresholds[near]) <= kSame)
                on[near][kind].add(each.patient, least);
    }
    std::array<bool, kCells + 1> may_be_cut;
    may_be_cut.fill(true);
    for (std::size_t cell = 0; cell < kCells; ++cell)
        may_be_cut[cell + 1] = on[cell][0].is_safe(least) && on[cell][1].is_safe(least);
    for (std::size_t first = 0; first < kCells; ++first) {
        Kinds part;
        for (std::size_t end = first + 1; may_be_cut[first] && end <= kCells; ++end) {
            for (std::size_t kind = 0; kind < part.size(); ++kind)
                for (const auto& [told, group] : cells[end - 1][kind]) part[kind][told].add(group);
            out.may_be_told[first][end] = may_be_cut[end] && may_be_told(part, all, least);
        }
    }
    return out;
}

std::vector<Curve> curves_of(const std::vector<CurveCells>& cells) {
    std::vector<Curve> out(cells.size());
    std::vector<std::pair<int, std::size_t>> own;  // less points that it has alone; those that have a curve
    for (std::size_t i = 0; i < cells.size(); ++i) {
        out[i].name = cells[i].name;
        out[i].none = cells[i].is_scored ? "no threshold parts enough patients" : "a sample has no score";
        if (!cells[i].is_scored) continue;
        Common alone;
        alone.add(cells[i]);
        if (const Cuts cuts = cuts_of(alone); cuts.points > 1) own.emplace_back(-cuts.points, i);
    }
    std::stable_sort(own.begin(), own.end());
    Common common;
    Cuts best;
    std::size_t drawn = 0;
    for (std::size_t i = 0; i < own.size(); ++i) {
        common.add(cells[own[i].second]);
        const Cuts cuts = cuts_of(common);
        if (cuts.points >= best.points) best = cuts, drawn = i + 1;
    }
    for (std::size_t i = 0; i < own.size(); ++i) {
        Curve& curve = out[own[i].second];
        curve.none = "too few of its patients lie between the thresholds of the others";
        if (i >= drawn) continue;
        auto points = points_of(cells[own[i].second], best.ends);
        if (points.size() < 2) continue;  // the ends alone say nothing
        curve.points = std::move(points);
        curve.none.clear();
    }
    return out;
}

}  // namespace trainer
