#include <catch2/catch.hpp>

#include "staging/risk/attack.h"
#include "staging/risk/make_table.h"

using namespace staging;

namespace {

PackedCell cell_of(const Quasi& quasi, std::uint32_t value) {
    PackedCell cell{};
    quasi.put(cell, 0, value);
    return cell;
}

// Two patients of value 0, one of value 1, three of value 2.
struct Small {
    Quasi quasi{{make_hierarchy("age", {"0", "1", "2", "3"}, {.widths = {2}})}};
    PatientTable table;
    Small() {
        for (const std::uint32_t value : {0U, 0U, 1U, 2U, 2U, 2U}) {
            std::vector<PackedCell> cells{cell_of(quasi, value)};
            table.add(cells, 0);
        }
    }
    Findings at(const Levels& levels, std::int64_t k, const People* population, const People* people) const {
        return judge(table, quasi, levels, {.k = k}, Closeness({6}, Distance::equal), population, people,
                     Parts());
    }
    People people(std::initializer_list<std::int64_t> counts) const {
        People out;
        std::uint32_t value = 0;
        for (const std::int64_t count : counts) {
            if (count > 0) out.cells.push_back(cell_of(quasi, value)), out.counts.push_back(count);
            ++value;
        }
        return out;
    }
};

}  // namespace

TEST_CASE("without a population: prosecutor 1 of the smallest group, marketer groups of patients") {
    const Findings found = Small().at({0}, 2, nullptr, nullptr);
    CHECK(found.all.groups == 3);
    CHECK(found.all.alone == 1);
    CHECK(found.all.patients_below == 1);
    CHECK(found.on_all.prosecutor_max == 1);
    CHECK(found.on_all.journalist_max == 1);
    CHECK(found.on_all.marketer == Approx(3.0 / 6));
    CHECK(found.kept.patients == 5);
    CHECK(found.on_kept.prosecutor_max == 0.5);
    CHECK(found.on_kept.marketer == Approx(2.0 / 5));
}

TEST_CASE("with a population: journalist 1 of the fewest people who fit, marketer the sum of f/F") {
    const Small small;
    const People population = small.people({10, 4, 30, 7});
    const Findings found = small.at({0}, 1, &population, nullptr);
    CHECK(found.on_all.prosecutor_max == 1);
    CHECK(found.on_all.journalist_max == 0.25);
    CHECK(found.on_all.marketer == Approx((2.0 / 10 + 1.0 / 4 + 3.0 / 30) / 6));
    CHECK(found.on_all.not_in_population == 0);
    // In bands of two: 3 of 14, 3 of 37.
    const Findings bands = small.at({1}, 1, &population, nullptr);
    CHECK(bands.on_all.journalist_max == Approx(1.0 / 14));
    CHECK(bands.on_all.marketer == Approx((3.0 / 14 + 3.0 / 37) / 6));
}

TEST_CASE("whom the population has too few of counts as the worst, and is told") {
    const Small small;
    const People population = small.people({1, 0, 30, 0});
    const Findings found = small.at({0}, 1, &population, nullptr);
    CHECK(found.on_all.not_in_population == 3);
    CHECK(found.on_all.journalist_max == 1);
    CHECK(found.on_all.marketer == Approx((1.0 + 1.0 + 3.0 / 30) / 6));
}

TEST_CASE("delta-presence: from who cannot be in it to who is likeliest") {
    const Small small;
    const People people = small.people({4, 2, 3, 5});
    const Findings found = small.at({0}, 1, nullptr, &people);
    CHECK(found.on_all.presence_min == 0);
    CHECK(found.on_all.presence_max == 1);
    const Findings bands = small.at({1}, 1, nullptr, &people);
    CHECK(bands.on_all.presence_min == Approx(3.0 / 8));
    CHECK(bands.on_all.presence_max == Approx(0.5));
}

TEST_CASE("delta-presence: a patient of several cells can be whoever of the register fits one") {
    Small small;
    PatientTable table;
    for (int patient = 0; patient < 2; ++patient) {
        std::vector<PackedCell> cells{cell_of(small.quasi, 0), cell_of(small.quasi, 2)};
        table.add(cells, 0);
    }
    const auto presence = [&](const People& people, const Levels& levels) {
        const Findings found = judge(table, small.quasi, levels, {.k = 1}, Closeness({2}, Distance::equal),
                                     nullptr, &people, Parts());
        CHECK(found.all.patients == 2);
        CHECK(found.all.groups == 1);
        return std::pair(found.on_all.presence_min, found.on_all.presence_max);
    };
    CHECK(presence(small.people({1, 0, 8, 0}), {0}) == std::pair(0.25, 1.0));
    CHECK(presence(small.people({4, 4, 4, 0}), {0}) == std::pair(0.0, 0.5));
    CHECK(presence(small.people({4, 4, 4, 0}), {1}) == std::pair(0.25, 0.5));
    CHECK(presence(small.people({4, 4, 4, 0}), {2}) == std::pair(2.0 / 12, 2.0 / 12));
}

TEST_CASE("an empty table tells nothing of nobody") {
    const Small small;
    const Findings found = judge(PatientTable(), small.quasi, {0}, {.k = 2}, Closeness({0}, Distance::equal),
                                 nullptr, nullptr, Parts());
    CHECK(found.all.patients == 0);
    CHECK(found.on_all.prosecutor_max == 0);
    CHECK(found.on_all.marketer == 0);
}

TEST_CASE("on random tables of patients of several cells, figures are those of a plain count") {
    std::mt19937 draw(13);
    for (int round = 0; round < 200; ++round) {
        const MadeTable made(draw, 1 + draw() % 50, round % 2 == 1);
        const RiskPolicy policy = made_policy(draw);
        const Closeness all(made.counts(), policy.distance);
        for (const Levels& node : made.every_node()) {
            GroupTotals plain;
            std::int64_t kept = 0;
            for (const auto& [cells, group] : made.groups(node)) {
                const GroupMeasures measures = measure(group, policy, all);
                plain.add(measures, hold(policy, measures));
                kept += hold(policy, measures);
            }
            const Findings found =
                judge(made.table(), made.quasi, node, policy, all, nullptr, nullptr, Parts());
            const bool same = found.all.groups == plain.groups && found.all.patients == plain.patients &&
                              found.all.smallest_group == plain.smallest_group &&
                              found.all.alone == plain.alone &&
                              found.all.patients_below == plain.patients_below && found.kept.groups == kept &&
                              found.all.fewest_categories == plain.fewest_categories &&
                              found.all.least_entropy_l == plain.least_entropy_l &&
                              found.all.greatest_ratio == plain.greatest_ratio &&
                              found.all.greatest_distance == plain.greatest_distance;
            if (!same) FAIL("round " << round);
        }
    }
    SUCCEED();
}
