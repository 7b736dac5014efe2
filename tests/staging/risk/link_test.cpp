#include "staging/risk/link.h"

#include <catch2/catch.hpp>

#include "staging/risk/make_releases.h"

using namespace staging;

namespace {

using People = MadeReleases::People;

Linked found(const std::vector<People>& people, const LinkPolicy& policy) {
    return link(MadeReleases(people).made(), policy, Parts());
}

// `size` people of one cell from `first` on, with the values 1, 2, 1, 2, ...
void add(People& people, int first, int size, std::uint64_t cell) {
    for (int i = 0; i < size; ++i) people[first + i] = {{cell}, static_cast<std::uint32_t>(1 + i % 2)};
}

}  // namespace

TEST_CASE("what releases tell together is what looking at every pair of people tells") {
    std::mt19937 draw(11);
    int newly = 0, newly_left_out = 0, sure = 0, nothing_new = 0, by_columns_sure = 0;
    for (int round = 0; round < 300; ++round) {
        MadeReleases made(draw, 1 + draw() % 3, static_cast<int>(draw() % 30));
        LinkPolicy policy;
        policy.k = 1 + draw() % 4;
        policy.l = draw() % 2 ? 2 + draw() % 2 : 0;
        for (const LinkedBy by : {LinkedBy::identifiers, LinkedBy::columns}) {
            policy.by = by;
            if (by == LinkedBy::columns) made.has_values.assign(made.releases.size(), true);
            const Linked is = link(made.made(), policy, Parts());
            const Linked expected = made.judge(policy);
            INFO("round " << round << (by == LinkedBy::columns ? " by columns" : ""));
            CHECK(are_equal(is, expected));
            // More is known together, never less.
            for (const LinkFigures& one : is.each) CHECK(is.together.below >= one.below);
            if (by == LinkedBy::columns) {
                by_columns_sure += is.newly_sure > 0;
                continue;
            }
            newly += is.newly_below > 0;
            newly_left_out += is.newly_below_not_in_all > 0;
            sure += is.newly_sure > 0;
            nothing_new += is.newly_below == 0 && is.newly_sure == 0 && is.together.patients > 0;
        }
    }
    // The rounds are of every kind.
    CHECK(newly > 50);
    CHECK(newly_left_out > 25);
    CHECK(sure > 25);
    CHECK(nothing_new > 25);
    CHECK(by_columns_sure > 10);
}

TEST_CASE("a copy of a release adds nothing") {
    std::mt19937 draw(12);
    for (int round = 0; round < 100; ++round) {
        MadeReleases made(draw, 1, 1 + static_cast<int>(draw() % 30));
        made.has_values = {true};
        made.releases.push_back(made.releases[0]);
        made.has_values.push_back(true);
        for (const LinkedBy by : {LinkedBy::identifiers, LinkedBy::columns}) {
            const Linked is = link(made.made(), {.by = by, .k = 3, .l = 2}, Parts());
            CHECK(are_equal(is.each[0], is.each[1]));
            if (by == LinkedBy::identifiers) CHECK(are_equal(is.together, is.each[0]));
            CHECK(is.together.below == is.each[0].below);
            CHECK(is.newly_below == 0);
            CHECK(is.newly_sure == 0);
        }
    }
}

TEST_CASE("a version with one person left out shows that person") {
    People before, after;
    add(before, 0, 6, 1);
    add(before, 10, 6, 2);
    after = before;
    after.erase(13);
    const Linked is = found({after, before}, {.k = 3, .l = 2});
    CHECK(is.each[0].below == 0);
    CHECK(is.each[1].below == 0);
    CHECK(is.together.patients == 12);
    CHECK(is.together.smallest_group == 1);
    CHECK(is.together.alone == 1);
    CHECK(is.together.below == 1);
    CHECK(is.in_all == 11);
    CHECK(is.newly_below == 1);
    CHECK(is.newly_below_not_in_all == 1);
    CHECK(is.newly_sure == 1);
    CHECK_FALSE(is.holds({.k = 3, .l = 2}));
    CHECK(is.holds({.k = 3, .l = 2, .most_below = 0.1}));
    // Three who leave together hide each other.
    for (const int one : {10, 11}) after.erase(one);
    CHECK(found({after, before}, {.k = 3}).together.below == 0);
}

TEST_CASE("two coarsenings of one column are finer together") {
    // Ages 20 to 29, two of each: in bands of 10 in one release, in bands from 25 on in the other.
    People tens, fives;
    for (int i = 0; i < 20; ++i) {
        const int age = 20 + i / 2;
        const auto value = static_cast<std::uint32_t>(1 + i % 2);
        tens[i] = {{static_cast<std::uint64_t>(age < 28 ? 20 : 28)}, value};
        fives[i] = {{static_cast<std::uint64_t>(age < 26 ? 20 : 26)}, value};
    }
    const Linked is = found({tens, fives}, {.k = 4});
    CHECK(is.each[0].below == 0);
    CHECK(is.each[1].below == 0);
    CHECK(is.together.smallest_group == 4);  // 26 and 27
    CHECK(is.together.below == 0);
    CHECK(found({tens, fives}, {.k = 4, .l = 3}).newly_below == 0);  // nowhere three values
    const Linked five = found({tens, fives}, {.k = 5});
    CHECK(five.each[0].below == 4);
    CHECK(five.newly_below == 4);
}

TEST_CASE("releases of different people add nothing to each other") {
    People one, other;
    add(one, 0, 4, 1);
    add(one, 10, 3, 2);
    add(other, 20, 5, 1);
    for (const LinkedBy by : {LinkedBy::identifiers, LinkedBy::columns}) {
        const Linked is = found({one, other}, {.by = by, .k = 3, .l = 2});
        CHECK(is.together.patients == 12);
        CHECK(is.in_all == 0);
        CHECK(is.together.smallest_group == 3);
        CHECK(is.together.below == 0);
        CHECK(is.newly_below == 0);
        CHECK(is.newly_sure == 0);
    }
}

TEST_CASE("the intersection of what two hospitals' groups can have is sure, without identifiers") {
    // After the example of Ganta, Kasiviswanathan and Smith, KDD 2008: person 0 has been in both; the groups have value 1 in common.
    People first, second;
    const std::uint32_t at_first[] = {1, 2, 3, 3}, at_second[] = {1, 4, 4, 4, 4, 4};
    for (int i = 0; i < 4; ++i) first[i] = {{1}, at_first[i]};
    for (int i = 0; i < 6; ++i) second[i == 0 ? 0 : 10 + i] = {{2}, at_second[i]};
    const Linked is = found({first, second}, {.by = LinkedBy::columns, .k = 4, .l = 2});
    CHECK(is.each[0].below == 0);
    CHECK(is.each[1].below == 0);
    CHECK(is.newly_sure == 1);
    CHECK(is.newly_below == 1);
    CHECK(is.together.smallest_group == 1);
    // A value that has changed is not looked for: it is in no intersection.
    second[0].value = 4;
    CHECK(found({first, second}, {.by = LinkedBy::columns, .k = 4, .l = 2}).newly_sure == 0);
}

TEST_CASE("releases of nobody tell nothing") {
    for (const LinkedBy by : {LinkedBy::identifiers, LinkedBy::columns}) {
        const Linked is = found({{}, {}}, {.by = by, .k = 3, .l = 2});
        CHECK(is.together.patients == 0);
        CHECK(is.together.smallest_group == 0);
        CHECK(is.holds({.k = 3}));
    }
}
