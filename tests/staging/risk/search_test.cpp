#include <catch2/catch.hpp>

#include "staging/risk/make_table.h"

using namespace staging;

namespace {

std::optional<Generalisation> search(const MadeTable& made, const RiskPolicy& policy) {
    const PatientTable table = made.table();
    const Closeness all(count_categories(table, made.categories, Parts()), policy.distance);
    const LeastLoss found = least_loss(table, made.quasi, policy, all, Parts());
    if (!found.found && policy.most_steps > 1000) CHECK(found.are_all_tried);
    return found.found;
}

}  // namespace

TEST_CASE("the least loss is that of trying every generalisation") {
    std::mt19937 draw(3);
    int found_some = 0, found_none = 0, suppressed_some = 0, raised = 0;
    for (int round = 0; round < 400; ++round) {
        const MadeTable made(draw, 1 + draw() % 40, round % 2 == 1);
        const RiskPolicy policy = made_policy(draw);
        const auto allowed = part_of(policy.most_suppressed, static_cast<std::int64_t>(made.patients.size()));
        std::optional<double> least;
        for (const Levels& node : made.every_node())
            if (const auto [below, loss] = made.cost(node, policy);
                below <= allowed && (!least || loss < *least))
                least = loss;
        const auto found = search(made, policy);
        INFO("round " << round);
        CHECK(found.has_value() == least.has_value());
        if (!found || !least) {
            ++found_none;
            continue;
        }
        ++found_some;
        suppressed_some += found->suppressed > 0;
        raised += *std::max_element(found->levels.begin(), found->levels.end()) > 0;
        CHECK(found->is_least);
        CHECK(found->loss == Approx(*least).margin(1e-9));
        const auto [below, loss] = made.cost(found->levels, policy);
        CHECK(below == found->suppressed);
        CHECK(below <= allowed);
        CHECK(loss == Approx(found->loss).margin(1e-9));
    }
    // The rounds are of every kind.
    CHECK(found_some > 100);
    CHECK(found_none > 30);
    CHECK(suppressed_some > 20);
    CHECK(raised > 100);
}

TEST_CASE("groups and their measures are those of a plain count, whatever way they are made") {
    std::mt19937 draw(5);
    for (int round = 0; round < 200; ++round) {
        const MadeTable made(draw, 1 + draw() % 60, round % 2 == 1);
        const PatientTable table = made.table();
        for (const Levels& node : made.every_node()) {
            std::multiset<std::vector<std::pair<std::uint32_t, std::int64_t>>> plain, ours;
            for (const auto& [cells, group] : made.groups(node)) {
                std::vector<std::pair<std::uint32_t, std::int64_t>> counts;
                for (const CategoryCount& one : group) counts.emplace_back(one.category, one.patients);
                plain.insert(counts);
            }
            shares_at(table, made.quasi, node).each_group([&](std::span<const Share> group) {
                std::vector<std::pair<std::uint32_t, std::int64_t>> counts;
                for (const Share& one : group) counts.emplace_back(one.category, one.patients);
                ours.insert(counts);
            });
            if (plain != ours) FAIL("round " << round);
        }
    }
    SUCCEED();
}

TEST_CASE("too few steps give what was found, and say that it may not be the least") {
    std::mt19937 draw(9);
    RiskPolicy policy;
    policy.k = 4;
    policy.most_steps = 1;
    int less = 0;
    for (int round = 0; round < 50; ++round) {
        const MadeTable made(draw, 40, false);
        const auto found = search(made, policy);
        if (!found) continue;
        CHECK(found->steps <= 1);
        CHECK(made.cost(found->levels, policy).first == 0);
        less += !found->is_least;
    }
    CHECK(less > 5);
}

TEST_CASE("29 of 100 may be left out where 0.29 may") {
    CHECK(part_of(0.29, 100) == 29);
    CHECK(part_of(0.299, 100) == 29);
    CHECK(part_of(0, 100) == 0);
    CHECK(part_of(0.07, 100) == 7);
}

TEST_CASE("that nothing was found in few steps is not that there is nothing") {
    // At "*" one group of two: k holds, t does not before anybody has both values alike.
    const Quasi quasi({make_hierarchy("age", {"0", "1", "2", "3"}, {.widths = {2}})});
    PatientTable table;
    for (std::uint32_t value = 0; value < 4; ++value) {
        PackedCell cell{};
        quasi.put(cell, 0, value);
        std::vector<PackedCell> cells{cell};
        table.add(cells, value < 2 ? 0 : 1);
    }
    RiskPolicy policy;
    policy.k = 5;
    const auto search_in = [&](std::int64_t steps) {
        policy.most_steps = steps;
        return least_loss(table, quasi, policy, Closeness({2, 2}, Distance::equal), Parts());
    };
    CHECK_FALSE(search_in(1).found);
    CHECK(search_in(1).are_all_tried);  // not even "*" has five
    policy.k = 1;
    policy.recursive_c = 1, policy.recursive_l = 2;  // at "*" 2 of 2: not less than 1
    CHECK_FALSE(search_in(1).found);
    CHECK_FALSE(search_in(1).are_all_tried);
    CHECK_FALSE(search_in(100).found);
    CHECK(search_in(100).are_all_tried);
}

TEST_CASE("an empty table needs nothing, one patient everything, and equal patients nothing") {
    std::mt19937 draw(1);
    RiskPolicy policy;
    policy.k = 2;
    MadeTable made(draw, 1, false);
    CHECK_FALSE(search(made, policy).has_value());
    made.patients.clear();
    const auto empty = search(made, policy);
    REQUIRE(empty.has_value());
    CHECK(empty->levels == Levels(made.quasi.size(), 0));
    CHECK(empty->loss == 0);
    made.patients.assign(5, {{std::vector<std::uint32_t>(made.quasi.size(), 0)}, 0});
    const auto equal = search(made, policy);
    REQUIRE(equal.has_value());
    CHECK(equal->levels == Levels(made.quasi.size(), 0));
    CHECK(equal->suppressed == 0);
}
