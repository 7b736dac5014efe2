#include "staging/risk/attack.h"

#include <algorithm>
#include <cmath>

namespace staging {
namespace {

// In the place of a category.
constexpr std::uint32_t kTouches = UINT32_MAX - 2, kPopulation = UINT32_MAX - 1, kRegister = UINT32_MAX;

// A patient of several cells can be any person of a register who fits one of them.
void add_touched(Shares& shares, const PatientTable& table, const Quasi& quasi, const Levels& levels) {
    std::vector<PackedCell> cells;
    for (std::size_t i = 0; i < table.size(); ++i) {
        if (table.cells(i).size() < 2) continue;
        cells.clear();
        for (const PackedCell& cell : table.cells(i)) cells.push_back(quasi.at(cell, levels));
        name_of(cells);  // leaves each once
        if (cells.size() < 2) continue;
        for (const PackedCell& cell : cells) {
            Share share;
            share.group = cell;
            share.patients = 1;
            share.category = kTouches;
            shares.add(share);
        }
    }
}

void add_people(Shares& shares, const People& people, const Quasi& quasi, const Levels& levels,
                std::uint32_t mark) {
    for (std::size_t i = 0; i < people.cells.size(); ++i) {
        Share share;
        share.group = quasi.at(people.cells[i], levels);
        share.patients = people.counts[i];
        share.category = mark;
        shares.add(share);
    }
}

// Parts of 2^-30 are added up: the same sum in any order.
constexpr double kParts = 1 << 30;

struct Sums {
    std::int64_t patients = 0, groups = 0, told = 0, not_in_population = 0;
    std::int64_t least_f = INT64_MAX, least_population = INT64_MAX;
    double presence_min = 1, presence_max = 0;

    // `touches`: patients of several cells, of which this group's is one.
    void add(std::int64_t f, std::int64_t touches, std::int64_t population, std::int64_t in_register) {
        if (in_register > 0) {
            const double part =
                std::min(1.0, static_cast<double>(f + touches) / static_cast<double>(in_register));
            presence_min = std::min(presence_min, part);
            presence_max = std::max(presence_max, part);
        }
        if (f == 0) return;
        patients += f;
        ++groups;
        if (population < f) not_in_population += f;
        const std::int64_t people = std::max(population, f);
        told += std::llround(static_cast<double>(f) / static_cast<double>(people) * kParts);
        least_f = std::min(least_f, f);
        least_population = std::min(least_population, people);
    }

    Attack attack(bool has_population, bool has_register, const Parts& parts) {
        std::int64_t sums[] = {patients, groups, told, not_in_population};
        parts.sum(sums);
        const std::int64_t f = parts.least(least_f), people = parts.least(least_population);
        const double low = -parts.greatest(-presence_min), high = parts.greatest(presence_max);
        Attack out;
        out.patients = sums[0];
        if (out.patients == 0) return out;
        const auto all = static_cast<double>(out.patients);
        out.prosecutor_max = 1 / static_cast<double>(f);
        out.prosecutor_mean = static_cast<double>(sums[1]) / all;
        out.journalist_max = 1 / static_cast<double>(people);
        out.marketer = has_population ? static_cast<double>(sums[2]) / kParts / all : out.prosecutor_mean;
        out.not_in_population = has_population ? sums[3] : 0;
        if (has_register) out.presence_min = low, out.presence_max = high;
        return out;
    }
};

}  // namespace

Findings judge(const PatientTable& table, const Quasi& quasi, const Levels& levels, const Criteria& criteria,
               const Closeness& all, const People* population, const People* people_of_register,
               const Parts& parts) {
    Shares mine = shares_at(table, quasi, levels), here;
    if (population) add_people(mine, *population, quasi, levels, kPopulation);
    if (people_of_register) {
        add_people(mine, *people_of_register, quasi, levels, kRegister);
        add_touched(mine, table, quasi, levels);
    }
    if (!parts.alone()) parts.bring(mine.all(), here);

    Findings out;
    Sums on_all, on_kept;
    (parts.alone() ? mine : here).each_group([&](std::span<const Share> group) {
        Histogram patients;
        std::int64_t touches = 0, in_population = 0, in_register = 0;
        for (const Share& one : group) {
            if (one.category == kTouches)
                touches = one.patients;
            else if (one.category == kPopulation)
                in_population = one.patients;
            else if (one.category == kRegister)
                in_register = one.patients;
            else
                patients.push_back({one.category, one.patients});
        }
        if (patients.empty()) {
            on_all.add(0, touches, in_population, in_register);
            on_kept.add(0, touches, in_population, in_register);
            return;
        }
        const GroupMeasures measures = measure(patients, criteria, all);
        const bool holds = hold(criteria, measures);
        out.all.add(measures, holds);
        if (holds) out.kept.add(measures, true);
        on_all.add(measures.patients, touches, in_population, in_register);
        on_kept.add(holds ? measures.patients : 0, touches, in_population, in_register);
    });
    join(out.all, parts);
    join(out.kept, parts);
    out.on_all = on_all.attack(population, people_of_register, parts);
    out.on_kept = on_kept.attack(population, people_of_register, parts);
    return out;
}

}  // namespace staging
