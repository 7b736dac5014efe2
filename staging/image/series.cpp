#include "staging/image/series.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <tuple>

namespace staging {
namespace {

using Vector = std::array<double, 3>;

// Beyond these no scanner reaches; arithmetic below stays exact enough for 1e-4 mm.
constexpr double kFarthest = 1e5, kLargestSpacing = 1e3, kSmallestSpacing = 1e-4;
constexpr double kUnit = 1e-3;           // of a direction's length and of right angles
constexpr double kSameDirection = 1e-3;  // between the unit vectors of one orientation
constexpr double kSameSpacing = 1e-3;    // relative, in the plane
constexpr double kSamePlace = 0.01;      // mm along the normal: one position, as headers round it
// Distances of neighbours may differ by this (dcm2niix: kSliceTolerance, 0.2 mm), and never by half of them.
constexpr double kDistance = 0.2, kDistancePart = 0.1;
// Beyond kDrift a slice lies elsewhere than the affine says, mm over a whole stack: along the normal distances vary, in the
// plane it is a tilted gantry. So it is beyond kTilt of the way along the normal (half a degree, where the drift is more than
// positions are rounded by), which tells the tilt of a few slices.
constexpr double kDrift = 0.5, kTilt = 0.0087, kRounding = 0.02;

double dot(const Vector& a, const Vector& b) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

Vector cross(const Vector& a, const Vector& b) {
    return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

std::optional<Vector> unit(Vector v) {
    const double length = std::sqrt(dot(v, v));
    if (!(std::fabs(length - 1) <= kUnit)) return std::nullopt;  // refuses NaN too
    for (double& x : v) x /= length;
    return v;
}

// A slice that can be placed.
struct Placed {
    std::size_t index = 0;
    const Slice* slice = nullptr;
    Vector position{}, row{}, column{}, normal{};
    double between_rows = 0, between_columns = 0;
    double along = 0, across_row = 0, across_column = 0;  // of the position, in its group's axes
};

std::optional<Placed> place(const Slice& slice, std::size_t index) {
    const Frame& frame = slice.frame;
    if (!frame.position || !frame.orientation || !frame.spacing || !slice.rows || !slice.columns)
        return std::nullopt;
    Placed out;
    out.index = index;
    out.slice = &slice;
    out.position = *frame.position;
    for (const double x : out.position)
        if (!(std::fabs(x) <= kFarthest)) return std::nullopt;
    const auto& o = *frame.orientation;
    const auto row = unit({o[0], o[1], o[2]}), column = unit({o[3], o[4], o[5]});
    if (!row || !column || !(std::fabs(dot(*row, *column)) <= kUnit)) return std::nullopt;
    out.row = *row;
    out.column = *column;
    const auto normal = unit(cross(*row, *column));
    if (!normal) return std::nullopt;
    out.normal = *normal;
    out.between_rows = (*frame.spacing)[0];
    out.between_columns = (*frame.spacing)[1];
    for (const double mm : {out.between_rows, out.between_columns})
        if (!(mm >= kSmallestSpacing && mm <= kLargestSpacing)) return std::nullopt;
    return out;
}

bool close(const Vector& a, const Vector& b) {
    return std::fabs(a[0] - b[0]) <= kSameDirection && std::fabs(a[1] - b[1]) <= kSameDirection &&
           std::fabs(a[2] - b[2]) <= kSameDirection;
}

bool same_plane(const Placed& a, const Placed& b) {
    const auto alike = [](double x, double y) { return std::fabs(x - y) <= kSameSpacing * std::max(x, y); };
    return a.slice->rows == b.slice->rows && a.slice->columns == b.slice->columns &&
           a.slice->samples == b.slice->samples && close(a.row, b.row) && close(a.column, b.column) &&
           alike(a.between_rows, b.between_rows) && alike(a.between_columns, b.between_columns);
}

using Group = std::vector<Placed>;  // in the order of `along`

// What may tell the frames of one position apart, in the order in which it is asked; a value that is absent is
// a value.
using Tell = std::function<std::optional<double>(const Frame&)>;
constexpr std::size_t kStack = 0;
std::optional<double> finite(const std::optional<double>& value) {
    return value && std::isfinite(*value) ? value : std::nullopt;
}
std::optional<double> as_double(const std::optional<std::int64_t>& value) {
    if (!value) return std::nullopt;
    return static_cast<double>(*value);
}
const std::array<Tell, 7>& tells() {
    static const std::array<Tell, 7> all = {
        [](const Frame& f) { return as_double(f.stack); },
        [](const Frame& f) { return as_double(f.temporal); },
        [](const Frame& f) { return as_double(f.echo); },
        [](const Frame& f) { return finite(f.b_value); },
        [](const Frame& f) { return as_double(f.acquisition); },
        [](const Frame& f) { return finite(f.trigger_ms); },
        [](const Frame& f) { return as_double(f.kind); },
    };
    return all;
}

// A total order that does not know the order of what was given.
bool before(const Placed& a, const Placed& b) {
    const auto place = [](const Placed& p) {
        return std::tie(p.row, p.column, p.position, p.slice->rows, p.slice->columns, p.slice->samples);
    };
    const auto rest = [](const Placed& p) {
        return std::tie(p.slice->frame.instance, p.slice->content, p.slice->order);
    };
    if (place(a) != place(b)) return place(a) < place(b);
    for (const Tell& tell : tells())
        if (tell(a.slice->frame) != tell(b.slice->frame)) return tell(a.slice->frame) < tell(b.slice->frame);
    return rest(a) < rest(b);
}

// The ends of runs at one position.
std::vector<std::size_t> ends_of_positions(const Group& group) {
    std::vector<std::size_t> ends;
    for (std::size_t i = 1; i < group.size(); ++i)
        if (group[i].along - group[i - 1].along > kSamePlace) ends.push_back(i);
    ends.push_back(group.size());
    return ends;
}

class Sorter {
public:
    void add(Group group) {
        const Placed first = group.front();
        for (Placed& p : group) {
            p.along = dot(p.position, first.normal);
            p.across_row = dot(p.position, first.row);
            p.across_column = dot(p.position, first.column);
        }
        std::stable_sort(group.begin(), group.end(),
                         [](const Placed& a, const Placed& b) { return a.along < b.along; });
        drop_copies(group);
        const std::size_t before = out.stacks.size();
        if (auto declared = declared_stacks(group); declared.empty())
            split(std::move(group), first, kStack + 1);
        else
            for (Group& one : declared) split(std::move(one), first, kStack + 1);
        for (std::size_t i = before; i < out.stacks.size(); ++i) {
            out.stacks[i].part = static_cast<std::uint32_t>(i - before);
            out.stacks[i].parts = static_cast<std::uint32_t>(out.stacks.size() - before);
        }
    }

    Series out;

private:
    void leave(const Group& group, Reason reason) {
        for (const Placed& p : group) out.left.push_back({p.index, reason});
    }

    // The same pixels at the same position, of the same time point: sent twice.
    void drop_copies(Group& group) {
        Group kept;
        std::size_t begin = 0;
        for (const std::size_t end : ends_of_positions(group)) {
            std::map<std::tuple<core::Id16, std::vector<std::optional<double>>, std::optional<std::int64_t>>,
                     int>
                seen;
            for (; begin < end; ++begin) {
                std::vector<std::optional<double>> told;
                for (const Tell& tell : tells()) told.push_back(tell(group[begin].slice->frame));
                if (seen[{group[begin].slice->content, told, group[begin].slice->frame.instance}]++)
                    out.left.push_back({group[begin].index, Reason::series_duplicate});
                else
                    kept.push_back(group[begin]);
            }
        }
        group = std::move(kept);
    }

    // PS3.3 section C.7.6.16.2.2.4: the frames of one stack are one row of slices, wherever other stacks lie. Empty if no
    // stacks are declared; one of a single frame is none.
    static std::vector<Group> declared_stacks(const Group& group) {
        std::map<std::optional<double>, Group> parts;
        for (const Placed& p : group) parts[tells()[kStack](p.slice->frame)].push_back(p);
        std::vector<Group> out;
        if (parts.size() < 2 ||
            std::ranges::any_of(parts, [](const auto& part) { return part.second.size() < 2; }))
            return out;
        for (auto& [value, part] : parts) out.push_back(std::move(part));
        return out;
    }

    void split(Group group, const Placed& axes, std::size_t next_tell) {
        const auto ends = ends_of_positions(group);
        if (ends.size() == group.size()) return stack(std::move(group), axes);
        for (; next_tell < tells().size(); ++next_tell) {
            std::map<std::optional<double>, Group> parts;
            for (const Placed& p : group) parts[tells()[next_tell](p.slice->frame)].push_back(p);
            if (parts.size() < 2 || !tells_volumes(parts, ends.size())) continue;
            for (auto& [value, part] : parts)
                if (ends_of_positions(part).size() == ends.size())
                    split(std::move(part), axes, next_tell + 1);
                else
                    leave(part, Reason::series_gap);
            return;
        }
        by_instance(std::move(group), ends, axes);
    }

    // Whether every part has all positions: only then does what was asked tell volumes apart, and not slices. The last of
    // several may be short: a scan that was stopped.
    static bool tells_volumes(const std::map<std::optional<double>, Group>& parts, std::size_t positions) {
        const auto is_whole = [&](const auto& part) {
            return ends_of_positions(part.second).size() == positions;
        };
        const auto whole = static_cast<std::size_t>(std::ranges::count_if(parts, is_whole));
        return whole == parts.size() ||
               (whole >= 2 && whole + 1 == parts.size() && !is_whole(*parts.rbegin()));
    }

    // The last resort, and dcm2niix's: the n-th frame of each position by InstanceNumber is the n-th time point.
    void by_instance(Group group, const std::vector<std::size_t>& ends, const Placed& axes) {
        const std::size_t times = ends.front();
        std::vector<Group> parts(times);
        std::size_t begin = 0;
        for (const std::size_t end : ends) {
            if (end - begin != times) return leave(group, Reason::series_mixed);
            std::vector<std::pair<std::int64_t, std::size_t>> order;
            for (; begin < end; ++begin) {
                const auto& instance = group[begin].slice->frame.instance;
                if (!instance) return leave(group, Reason::series_mixed);
                order.emplace_back(*instance, begin);
            }
            std::ranges::sort(order);
            for (std::size_t n = 0; n < times; ++n) {
                if (n && order[n].first == order[n - 1].first) return leave(group, Reason::series_mixed);
                parts[n].push_back(group[order[n].second]);
            }
        }
        for (Group& part : parts) stack(std::move(part), axes);
    }

    void stack(Group group, const Placed& axes) {
        if (group.size() < 2) return leave(group, Reason::series_single);
        const double n = static_cast<double>(group.size() - 1);
        const double mean = (group.back().along - group.front().along) / n;
        std::vector<double> distances;
        for (std::size_t i = 1; i < group.size(); ++i)
            distances.push_back(group[i].along - group[i - 1].along);
        std::vector<double> sorted = distances;
        std::ranges::nth_element(sorted, sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2));
        const double usual = sorted[sorted.size() / 2];
        const double tolerance = std::min(kDistance, kDistancePart * usual);
        if (std::ranges::any_of(distances, [&](double d) { return d > 1.5 * usual; }))
            return leave(group, Reason::series_gap);
        if (std::ranges::any_of(distances, [&](double d) { return std::fabs(d - usual) > tolerance; }))
            return leave(group, Reason::series_spacing);
        const Placed& first = group.front();
        for (std::size_t i = 0; i < group.size(); ++i)
            if (std::fabs(group[i].along - first.along - mean * static_cast<double>(i)) > kDrift)
                return leave(group, Reason::series_spacing);
        for (const Placed& p : group) {
            const double drift = std::max(std::fabs(p.across_row - first.across_row),
                                          std::fabs(p.across_column - first.across_column));
            if (drift > kDrift || (drift > kRounding && drift > kTilt * (p.along - first.along)))
                return leave(group, Reason::series_tilt);
        }
        Stack made;
        for (const Placed& p : group) made.slices.push_back(p.index);
        made.spacing = {mean, axes.between_rows, axes.between_columns};
        for (std::size_t axis = 0; axis < 3; ++axis) {
            made.affine[axis * 4] = axes.row[axis] * axes.between_columns;
            made.affine[axis * 4 + 1] = axes.column[axis] * axes.between_rows;
            made.affine[axis * 4 + 2] = axes.normal[axis] * mean;
            made.affine[axis * 4 + 3] = group.front().position[axis];
        }
        out.stacks.push_back(std::move(made));
    }
};

constexpr char kLetters[3][2] = {{'L', 'R'}, {'P', 'A'}, {'S', 'I'}};  // to +x, to -x, ...

}  // namespace

bool is_placeable(const Frame& frame) {
    Slice slice;
    slice.frame = frame;
    slice.rows = slice.columns = 1;
    return place(slice, 0).has_value();
}

Series sort_series(std::span<const Slice> slices) {
    Sorter sorter;
    std::vector<Placed> placed;
    for (std::size_t i = 0; i < slices.size(); ++i) {
        auto one = place(slices[i], i);
        if (!one)
            sorter.out.left.push_back({i, Reason::series_geometry});
        else if (slices[i].localizer)
            sorter.out.left.push_back({i, Reason::series_localizer});
        else
            placed.push_back(*one);
    }
    std::ranges::sort(placed, before);
    std::vector<Group> groups;
    for (const Placed& p : placed) {
        const auto found =
            std::ranges::find_if(groups, [&](const Group& g) { return same_plane(g.front(), p); });
        if (found == groups.end())
            groups.push_back({p});
        else
            found->push_back(p);
    }
    for (Group& group : groups) sorter.add(std::move(group));
    std::ranges::sort(sorter.out.left, {}, &LeftOver::slice);
    return std::move(sorter.out);
}

bool is_same_grid(const Grid& a, const Grid& b) {
    constexpr double kApart = 1e-3;  // mm
    if (a.size != b.size) return false;
    // Affine: the corners are furthest apart.
    for (unsigned corner = 0; corner < 8; ++corner) {
        double apart = 0;
        for (std::size_t row = 0; row < 12; row += 4) {
            double here = a.affine[row + 3] - b.affine[row + 3];
            for (unsigned axis = 0; axis < 3; ++axis)
                if (corner >> axis & 1)
                    here += (a.affine[row + axis] - b.affine[row + axis]) *
                            static_cast<double>(a.size[2 - axis] - 1);
            apart += here * here;
        }
        if (!(std::sqrt(apart) <= kApart)) return false;
    }
    return true;
}

std::string orientation_name(const Affine& affine) {
    std::string name(3, ' ');
    bool used[3] = {};
    // The clearest axis first, so that an oblique volume gives each direction once.
    for (int round = 0; round < 3; ++round) {
        double best = -1;
        std::size_t axis = 0, direction = 0;
        for (std::size_t a = 0; a < 3; ++a) {
            if (name[a] != ' ') continue;
            const double length = std::hypot(affine[a], affine[4 + a], affine[8 + a]);
            for (std::size_t d = 0; d < 3; ++d)
                if (!used[d] && std::fabs(affine[d * 4 + a]) / length > best) {
                    best = std::fabs(affine[d * 4 + a]) / length;
                    axis = a;
                    direction = d;
                }
        }
        used[direction] = true;
        name[axis] = kLetters[direction][affine[direction * 4 + axis] < 0];
    }
    return name;
}

}  // namespace staging
