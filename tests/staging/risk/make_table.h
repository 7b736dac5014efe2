#pragma once
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "staging/risk/search.h"

// A random table, and all that is asked of it by trying everything.
struct MadeTable {
    using Cells = std::set<std::vector<std::uint32_t>>;
    struct Patient {
        Cells cells;
        std::uint32_t category;
    };
    staging::Quasi quasi;
    std::vector<Patient> patients;
    std::uint32_t categories = 1;

    template <class Random>
    MadeTable(Random& draw, std::size_t size, bool several_cells) {
        std::vector<staging::Hierarchy> all;
        for (std::size_t i = 0, count = 1 + draw() % 3; i < count; ++i) {
            const std::string name = "c" + std::to_string(i);
            std::vector<std::string> values;
            for (unsigned value = 0, most = 2 + draw() % 9; value < most; ++value)
                values.push_back(std::to_string(value));
            staging::HierarchyRule rule;
            if (draw() % 2) rule.widths = {2, 4};
            all.push_back(draw() % 5 ? staging::make_hierarchy(name, values, rule)
                                     : staging::unchanged(name, values));
        }
        quasi = staging::Quasi(all);
        categories = 1 + draw() % 4;
        for (std::size_t i = 0; i < size; ++i) {
            Patient one;
            for (std::size_t cell = 0, most = several_cells ? 1 + draw() % 3 : 1; cell < most; ++cell) {
                std::vector<std::uint32_t> codes;
                for (const staging::Hierarchy& hierarchy : all)
                    codes.push_back(draw() % hierarchy.levels[0].values.size());
                one.cells.insert(codes);
            }
            one.category = draw() % categories;
            patients.push_back(one);
        }
    }

    // Of every `of` patients the one with number `which`, as a rank has them.
    staging::PatientTable table(std::size_t which = 0, std::size_t of = 1) const {
        staging::PatientTable out;
        for (std::size_t i = which; i < patients.size(); i += of) {
            std::vector<staging::PackedCell> cells;
            for (const auto& codes : patients[i].cells) {
                staging::PackedCell cell{};
                for (std::size_t q = 0; q < codes.size(); ++q) quasi.put(cell, q, codes[q]);
                cells.push_back(cell);
            }
            out.add(cells, patients[i].category);
        }
        return out;
    }

    std::vector<std::int64_t> counts() const {
        std::vector<std::int64_t> out(categories, 0);
        for (const Patient& one : patients) ++out[one.category];
        return out;
    }

    Cells at(const Cells& cells, const staging::Levels& levels) const {
        Cells out;
        for (std::vector<std::uint32_t> codes : cells) {
            for (std::size_t i = 0; i < codes.size(); ++i)
                codes[i] = quasi.hierarchies()[i].levels[levels[i]].codes[codes[i]];
            out.insert(codes);
        }
        return out;
    }

    std::map<Cells, staging::Histogram> groups(const staging::Levels& levels) const {
        std::map<Cells, std::map<std::uint32_t, std::int64_t>> counts;
        for (const Patient& one : patients) ++counts[at(one.cells, levels)][one.category];
        std::map<Cells, staging::Histogram> out;
        for (const auto& [cells, of] : counts)
            for (const auto& [category, count] : of) out[cells].push_back({category, count});
        return out;
    }

    std::vector<staging::Levels> every_node() const {
        std::vector<staging::Levels> out{staging::Levels(quasi.size(), 0)};
        for (std::size_t i = 0; i < quasi.size(); ++i)
            for (std::size_t known = out.size(), at = 0; at < known; ++at)
                for (std::size_t level = 1; level < quasi.hierarchies()[i].levels.size(); ++level) {
                    out.push_back(out[at]);
                    out.back()[i] = static_cast<std::uint8_t>(level);
                }
        return out;
    }

    // Patients who are left out at a node, and the node's loss, as least_loss() defines it.
    std::pair<std::int64_t, double> cost(const staging::Levels& levels,
                                         const staging::Criteria& criteria) const {
        const staging::Closeness all(counts(), criteria.distance);
        std::set<Cells> bad;
        std::int64_t below = 0;
        for (const auto& [cells, group] : groups(levels))
            if (!hold(criteria, measure(group, criteria, all))) {
                bad.insert(cells);
                below += patients_of(group);
            }
        double loss = 0;
        for (const Patient& one : patients) {
            if (bad.contains(at(one.cells, levels))) {
                loss += static_cast<double>(quasi.size());
                continue;
            }
            for (std::size_t i = 0; i < quasi.size(); ++i) {
                std::int64_t worst = 0;
                for (const auto& codes : one.cells)
                    worst = std::max(worst, quasi.hierarchies()[i].losses()[levels[i]][codes[i]]);
                loss += static_cast<double>(worst) / static_cast<double>(staging::kWholeLoss);
            }
        }
        return {below, loss / static_cast<double>(quasi.size()) / static_cast<double>(patients.size())};
    }
};

// Criteria of every kind, some that nothing can hold.
template <class Random>
staging::RiskPolicy made_policy(Random& draw) {
    staging::RiskPolicy out;
    out.k = 1 + draw() % 6;
    if (draw() % 3 == 0) out.l = 1 + draw() % 3;
    if (draw() % 4 == 0) out.entropy_l = 1 + static_cast<double>(draw() % 8) / 4;
    if (draw() % 4 == 0) out.recursive_c = 1 + static_cast<double>(draw() % 8) / 2, out.recursive_l = 2;
    if (draw() % 3 == 0) out.t = static_cast<double>(1 + draw() % 10) / 20;
    if (draw() % 2) out.distance = staging::Distance::ordered;
    if (draw() % 2) out.most_suppressed = static_cast<double>(draw() % 10) / 20;
    return out;
}
