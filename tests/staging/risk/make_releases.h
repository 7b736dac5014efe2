#pragma once
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "staging/risk/link.h"

// Random releases of one population, and what they tell by looking at every pair of people.
struct MadeReleases {
    struct One {
        std::set<std::uint64_t> cells;
        std::uint32_t value;  // 0: none is known
    };
    using People = std::map<int, One>;  // by person
    std::vector<People> releases;
    std::vector<bool> has_values;

    template <class Random>
    MadeReleases(Random& draw, std::size_t count, int persons) {
        const unsigned cells = 1 + draw() % 4, values = 1 + draw() % 4, leave_out = 2 + draw() % 9;
        for (std::size_t i = 0; i < count; ++i) {
            has_values.push_back(draw() % 5 > 0);
            releases.emplace_back();
            for (int person = 0; person < persons; ++person) {
                if (draw() % leave_out == 0) continue;
                One one;
                for (unsigned cell = 0, most = 1 + draw() % 5 / 4; cell < most; ++cell)
                    one.cells.insert(draw() % cells);
                one.value = has_values[i] ? static_cast<std::uint32_t>(draw() % (values + 1)) : 0;
                // Most people's value stays what it is.
                if (i > 0 && has_values[i] && draw() % 4 && releases[0].contains(person))
                    one.value = releases[0].at(person).value;
                releases[i][person] = one;
            }
        }
    }
    explicit MadeReleases(std::vector<People> people)
        : releases(std::move(people)), has_values(releases.size(), true) {}

    // Of every `of` people the one with number `which`, as a rank has them.
    std::vector<staging::Release> made(int which = 0, int of = 1) const {
        std::vector<staging::Release> out;
        for (std::size_t i = 0; i < releases.size(); ++i) {
            staging::Release release;
            for (const auto& [person, one] : releases[i]) {
                if (person % of != which) continue;
                std::vector<staging::PackedCell> cells;
                for (const std::uint64_t cell : one.cells) cells.push_back({cell + 100 * i, 7});
                release.patients.add(cells, one.value);
                staging::Release::Identity whose{};
                whose[0] = static_cast<std::uint8_t>(person / 256);
                whose[1] = static_cast<std::uint8_t>(person % 256);
                release.whose.push_back(whose);
            }
            release.values = {staging::kMissing, 1, 2, 3, 4};
            release.has_values = has_values[i];
            out.push_back(std::move(release));
        }
        return out;
    }

    using Crowd = std::set<int>;
    Crowd like(std::size_t i, int person) const {
        Crowd out;
        for (const auto& [other, one] : releases[i])
            if (one.cells == releases[i].at(person).cells) out.insert(other);
        return out;
    }
    std::set<std::uint32_t> values_of(std::size_t i, const Crowd& crowd) const {
        std::set<std::uint32_t> out;
        for (const int one : crowd) out.insert(releases[i].at(one).value);
        out.erase(0);
        return out;
    }
    bool is_below(std::size_t i, const Crowd& crowd, const staging::LinkPolicy& policy) const {
        return static_cast<std::int64_t>(crowd.size()) < policy.k ||
               (has_values[i] && policy.l > 0 &&
                static_cast<std::int64_t>(values_of(i, crowd).size()) < policy.l);
    }
    Crowd everybody() const {
        Crowd out;
        for (const People& people : releases)
            for (const auto& [person, one] : people) out.insert(person);
        return out;
    }

    staging::Linked judge(const staging::LinkPolicy& policy) const {
        staging::Linked out;
        const auto add = [](staging::LinkFigures& figures, std::size_t size, bool below, bool sure) {
            const auto candidates = static_cast<std::int64_t>(size);
            figures.smallest_group =
                figures.patients == 0 ? candidates : std::min(figures.smallest_group, candidates);
            ++figures.patients;
            figures.alone += size == 1;
            figures.below += below;
            figures.sure += sure;
            figures.prosecutor_mean += 1 / static_cast<double>(size);
        };
        const auto end = [](staging::LinkFigures& figures) {
            if (figures.patients) figures.prosecutor_mean /= static_cast<double>(figures.patients);
        };
        for (std::size_t i = 0; i < releases.size(); ++i) {
            staging::LinkFigures figures;
            for (const auto& [person, one] : releases[i]) {
                const Crowd crowd = like(i, person);
                add(figures, crowd.size(), is_below(i, crowd, policy), values_of(i, crowd).size() == 1);
            }
            end(figures);
            out.each.push_back(figures);
        }
        for (const int person : everybody()) {
            std::vector<std::size_t> where;
            bool below_alone = false, below = false;
            std::set<std::uint32_t> sure_alone, sure;
            for (std::size_t i = 0; i < releases.size(); ++i) {
                if (!releases[i].contains(person)) continue;
                where.push_back(i);
                below_alone |= is_below(i, like(i, person), policy);
                if (const auto values = values_of(i, like(i, person)); values.size() == 1)
                    sure_alone.insert(*values.begin());
            }
            Crowd joint;
            if (policy.by == staging::LinkedBy::identifiers) {
                for (const int other : everybody()) {
                    bool is_like = true;
                    for (std::size_t i = 0; i < releases.size(); ++i)
                        is_like &= releases[i].contains(person) == releases[i].contains(other) &&
                                   (!releases[i].contains(person) || like(i, person).contains(other));
                    if (is_like) joint.insert(other);
                }
                for (const std::size_t i : where) {
                    below |= is_below(i, joint, policy);
                    if (const auto values = values_of(i, joint); values.size() == 1)
                        sure.insert(*values.begin());
                }
            } else {
                std::set<std::uint32_t> known, common{1, 2, 3, 4};
                for (const std::size_t i : where) {
                    if (releases[i].at(person).value) known.insert(releases[i].at(person).value);
                    std::erase_if(common, [&](std::uint32_t value) {
                        return !values_of(i, like(i, person)).contains(value);
                    });
                }
                std::size_t fewest = SIZE_MAX;
                if (known.size() > 1 || common.empty()) {
                    below = below_alone;
                    sure = sure_alone;
                }
                for (const std::size_t i : where) {
                    Crowd left;
                    for (const int other : like(i, person))
                        if (const std::uint32_t value = releases[i].at(other).value;
                            known.size() > 1 || common.empty() || value == 0 || common.contains(value))
                            left.insert(other);
                    if (left.size() < fewest) joint = left;
                    fewest = std::min(fewest, left.size());
                }
                if (known.size() <= 1 && !common.empty()) {
                    below = static_cast<std::int64_t>(fewest) < policy.k ||
                            static_cast<std::int64_t>(common.size()) < policy.l;
                    if (common.size() == 1) sure = common;
                }
            }
            add(out.together, joint.size(), below, !sure.empty());
            const bool is_everywhere = where.size() == releases.size();
            out.in_all += is_everywhere;
            out.newly_below += below && !below_alone;
            out.newly_below_not_in_all += below && !below_alone && !is_everywhere;
            out.newly_sure +=
                std::ranges::any_of(sure, [&](std::uint32_t value) { return !sure_alone.contains(value); });
        }
        end(out.together);
        return out;
    }
};

inline bool are_equal(const staging::LinkFigures& a, const staging::LinkFigures& b) {
    return a.patients == b.patients && a.smallest_group == b.smallest_group && a.alone == b.alone &&
           a.below == b.below && a.sure == b.sure && std::abs(a.prosecutor_mean - b.prosecutor_mean) < 1e-6;
}
inline bool are_equal(const staging::Linked& a, const staging::Linked& b) {
    return std::ranges::equal(a.each, b.each, [](const auto& x, const auto& y) { return are_equal(x, y); }) &&
           are_equal(a.together, b.together) && a.in_all == b.in_all && a.newly_below == b.newly_below &&
           a.newly_below_not_in_all == b.newly_below_not_in_all && a.newly_sure == b.newly_sure;
}
