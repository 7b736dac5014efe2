#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <set>

#include "staging/pool/make_pool.h"

using namespace staging;

namespace {

struct Result {
    PooledRisk risk;
    Counted counted;
    std::vector<int> outcome;
};

Result run(RiskPolicy policy, const std::vector<Made>& samples, std::optional<QuasiColumns> quasi = {}) {
    const core::Comm comm(MPI_COMM_WORLD);
    MadePool made(comm, std::move(policy), samples, std::move(quasi));
    made.pool().find_duplicates();
    Result out;
    out.risk = made.pool().find_small_groups();
    out.counted = made.pool().counted();
    out.outcome = made.outcome(samples.size());
    return out;
}

RiskPolicy policy_of(std::int64_t k, bool suppress, std::int64_t l = 0, double t = 0) {
    RiskPolicy policy;
    policy.k = k;
    policy.suppress = suppress;
    if (l || t > 0) policy.sensitive = "diagnosis";
    policy.l = l;
    policy.t = t;
    return policy;
}

// Years of age to 59, in bands of 10 and 20.
QuasiColumns ages() {
    std::vector<std::string> years;
    for (int year = 0; year < 60; ++year) years.push_back(std::to_string(year));
    QuasiColumns out;
    out.quasi = Quasi({make_hierarchy("age", years, {.widths = {10, 20}})});
    return out;
}

const int kSmall = dropped(WhyDropped::small_group);

}  // namespace

TEST_CASE("a patient in two cells is one record: the set identifies, where each cell would not") {
    // S 1.12: two patients in cell 1, two in cell 2, and one who is in both.
    const std::vector<Made> samples{
        {.content = 1, .patient = 1, .quasi = 1}, {.content = 2, .patient = 2, .quasi = 1},
        {.content = 3, .patient = 3, .quasi = 2}, {.content = 4, .patient = 4, .quasi = 2},
        {.content = 5, .patient = 5, .quasi = 1}, {.content = 6, .patient = 5, .quasi = 2},
        {.content = 7, .patient = 5, .quasi = 2}};
    const Result found = run(policy_of(2, true), samples);
    CHECK(found.risk.patients == 5);
    CHECK(found.risk.patients_in_several_cells == 1);
    CHECK(found.risk.groups == 3);
    CHECK(found.risk.smallest_group == 1);
    CHECK(found.risk.patients_below == 1);
    CHECK(found.risk.samples_below == 3);
    CHECK(found.outcome == std::vector<int>{kStays, kStays, kStays, kStays, kSmall, kSmall, kSmall});
    CHECK(found.counted.samples == 4);
    CHECK(found.counted.patients == 4);
    CHECK(found.counted.bytes == 40);
}

TEST_CASE("without suppression small groups are counted and stay") {
    const Result found =
        run(policy_of(5, false),
            {{.content = 1}, {.content = 2, .patient = 2, .site = 1}, {.content = 3, .site = 1}});
    CHECK(found.risk.patients_below == 2);
    CHECK(found.risk.samples_below == 3);
    CHECK(found.outcome == std::vector<int>{kStays, kStays, kStays});
    CHECK(found.counted.patients_at_two_sites == 1);
}

TEST_CASE("a group in which all have one diagnosis breaks l, a lopsided one breaks t") {
    // Cell 1: a, a. Cell 2: a, b. All four: 3/4 a, 1/4 b.
    const std::vector<Made> samples{{.content = 1, .patient = 1, .quasi = 1, .sensitive = 1},
                                    {.content = 2, .patient = 2, .quasi = 1, .sensitive = 1},
                                    {.content = 3, .patient = 3, .quasi = 2, .sensitive = 1},
                                    {.content = 4, .patient = 4, .quasi = 2, .sensitive = 2}};
    const Result l = run(policy_of(2, true, 2), samples);
    CHECK(l.risk.fewest_categories == 1);
    CHECK(l.risk.greatest_distance == Approx(0.25));
    CHECK(l.outcome == std::vector<int>{kSmall, kSmall, kStays, kStays});
    CHECK(run(policy_of(2, true, 0, 0.25), samples).outcome ==
          std::vector<int>{kStays, kStays, kStays, kStays});
    CHECK(run(policy_of(2, true, 0, 0.24), samples).risk.patients_below == 4);
}

TEST_CASE("neither two diagnoses nor a missing one make a group more diverse") {
    // All of whom a diagnosis is known have the first.
    const std::vector<Made> several{{.content = 1, .patient = 1, .sensitive = 1},
                                    {.content = 2, .patient = 1, .sensitive = 2},
                                    {.content = 3, .patient = 2, .sensitive = 1}};
    const std::vector<Made> missing{{.content = 1, .patient = 1, .sensitive = 1},
                                    {.content = 2, .patient = 2, .sensitive = 0},
                                    {.content = 3, .patient = 3, .sensitive = 0},
                                    {.content = 4, .patient = 3, .sensitive = 1}};
    for (const auto& samples : {several, missing}) {
        const Result found = run(policy_of(1, true, 2), samples);
        CHECK(found.risk.fewest_categories == 1);
        CHECK(found.outcome == std::vector<int>(samples.size(), kSmall));
    }
    // Who has a first diagnosis and a missing one has the first.
    CHECK(run(policy_of(1, true, 2), {{.content = 1, .patient = 1, .sensitive = 0},
                                      {.content = 2, .patient = 1, .sensitive = 1},
                                      {.content = 3, .patient = 2, .sensitive = 2}})
              .risk.fewest_categories == 2);
}

TEST_CASE("an order of diagnoses has no place for who has none, as every rank says") {
    RiskPolicy policy = policy_of(1, true, 0, 0.5);
    policy.distance = Distance::ordered;
    CHECK_THROWS_AS(run(policy, {{.content = 1, .patient = 1, .sensitive = 1},
                                 {.content = 2, .patient = 2, .sensitive = 0}}),
                    core::AgreedError);
}

TEST_CASE("many patients: figures and outcome are those of a plain count") {
    std::mt19937 draw(7);
    std::vector<Made> samples;
    for (int i = 0; i < 300; ++i)
        samples.push_back({.content = i,
                           .patient = static_cast<int>(draw() % 60),
                           .quasi = static_cast<int>(draw() % 3),
                           .sensitive = static_cast<int>(draw() % 4)});
    std::map<int, std::set<int>> cells;
    for (const Made& one : samples) cells[one.patient].insert(one.quasi);
    std::map<std::set<int>, std::int64_t> groups;
    for (const auto& [patient, set] : cells) ++groups[set];
    std::int64_t smallest = INT64_MAX, below = 0;
    for (const auto& [set, count] : groups) {
        smallest = std::min(smallest, count);
        if (count < 10) below += count;
    }
    const Result found = run(policy_of(10, true), samples);
    CHECK(found.risk.patients == static_cast<std::int64_t>(cells.size()));
    CHECK(found.risk.groups == static_cast<std::int64_t>(groups.size()));
    CHECK(found.risk.smallest_group == smallest);
    CHECK(found.risk.patients_below == below);
    bool right = true;
    for (std::size_t i = 0; i < samples.size(); ++i)
        right &= found.outcome[i] == (groups[cells[samples[i].patient]] < 10 ? kSmall : kStays);
    CHECK(right);
}

TEST_CASE("ages become bands until all groups hold, and who still stands out is left out") {
    // Twelve patients of 20 to 31, one a year, and one of 55: bands of 20 make 12 and 1.
    std::vector<Made> samples;
    for (int i = 0; i < 12; ++i) samples.push_back({.content = i, .patient = i, .quasi = 20 + i});
    samples.push_back({.content = 12, .patient = 12, .quasi = 55});
    RiskPolicy policy = policy_of(3, true);
    policy.most_suppressed = 0.1;
    const Result found = run(policy, samples, ages());
    REQUIRE(found.risk.coarser.has_value());
    CHECK(found.risk.coarser->before.groups == 13);
    CHECK(found.risk.coarser->before.patients_below == 13);
    CHECK(found.risk.coarser->least.levels == Levels{2});
    CHECK(found.risk.coarser->least.is_least);
    CHECK(found.risk.groups == 2);
    CHECK(found.risk.patients_below == 1);
    CHECK(found.counted.patients == 12);
    std::vector<int> expected(13, kStays);
    expected[12] = kSmall;
    CHECK(found.outcome == expected);
    // With nobody left out, only "*" holds.
    policy.most_suppressed = 0;
    const Result all = run(policy, samples, ages());
    CHECK(all.risk.coarser->least.levels == Levels{3});
    CHECK(all.risk.groups == 1);
    CHECK(all.counted.patients == 13);
}

TEST_CASE("a patient of two ages that become one band is of one cell") {
    const Result found = run(policy_of(2, true),
                             {{.content = 1, .patient = 1, .quasi = 21},
                              {.content = 2, .patient = 1, .quasi = 24},
                              {.content = 3, .patient = 2, .quasi = 25}},
                             ages());
    CHECK(found.risk.coarser->least.levels == Levels{1});
    CHECK(found.risk.patients_in_several_cells == 0);
    CHECK(found.risk.groups == 1);
    CHECK(found.counted.samples == 3);
}

TEST_CASE("where not even * holds, every rank says so") {
    CHECK_THROWS_WITH(run(policy_of(3, true), {{.content = 1, .patient = 1, .quasi = 21}}, ages()),
                      Catch::Contains("no generalisation"));
}

TEST_CASE("entropy and recursive diversity leave groups out as l does") {
    // Cell 1: a, a, a, b. Cell 2: a, b.
    std::vector<Made> samples;
    const int diagnoses[] = {1, 1, 1, 2, 1, 2};
    for (int i = 0; i < 6; ++i)
        samples.push_back({.content = i, .patient = i, .quasi = i < 4 ? 1 : 2, .sensitive = diagnoses[i]});
    const std::vector<int> first{kSmall, kSmall, kSmall, kSmall, kStays, kStays};
    RiskPolicy entropy = policy_of(1, true, 1);
    entropy.entropy_l = 2;
    const Result found = run(entropy, samples);
    CHECK(found.outcome == first);
    CHECK(found.risk.least_entropy_l == Approx(1.7547653));
    RiskPolicy recursive = policy_of(1, true, 1);
    recursive.recursive_c = 3, recursive.recursive_l = 2;
    CHECK(run(recursive, samples).outcome == first);
    recursive.recursive_c = 3.1;
    CHECK(run(recursive, samples).outcome == std::vector<int>(6, kStays));
}
