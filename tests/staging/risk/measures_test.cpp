#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <random>

#include "staging/risk/measures.h"

using namespace staging;

namespace {

std::vector<std::int64_t> sum_of(const std::vector<Histogram>& groups, std::size_t categories) {
    std::vector<std::int64_t> all(categories, 0);
    for (const Histogram& group : groups)
        for (const CategoryCount& one : group) all[one.category] += one.patients;
    return all;
}

GroupTotals totals_of(const std::vector<Histogram>& groups, std::size_t categories,
                      const Criteria& criteria) {
    const Closeness all(sum_of(groups, categories), criteria.distance);
    GroupTotals out;
    for (const Histogram& group : groups) {
        const GroupMeasures measures = measure(group, criteria, all);
        out.add(measures, hold(criteria, measures));
    }
    return out;
}

// The earth mover's distance on a line, by definition: what has to be carried across each gap.
double carried(const Histogram& group, const std::vector<std::int64_t>& all) {
    const auto here = static_cast<double>(patients_of(group));
    double patients = 0;
    for (const std::int64_t one : all) patients += static_cast<double>(one);
    std::vector<double> difference;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i] == 0) continue;
        double part = 0;
        for (const CategoryCount& one : group)
            if (one.category == i) part = static_cast<double>(one.patients) / here;
        difference.push_back(part - static_cast<double>(all[i]) / patients);
    }
    if (difference.size() < 2) return 0;
    double carry = 0, sum = 0;
    for (const double one : difference) {
        carry += one;
        sum += std::abs(carry);
    }
    return sum / static_cast<double>(difference.size() - 1);
}

}  // namespace

// Machanavajjhala et al., TKDD 2007: heart disease 0, viral infection 1, cancer 2.
TEST_CASE(
    "the published inpatient tables: 4-anonymous is not diverse, the other is 3-diverse and entropy "
    "2.8-diverse") {
    const std::vector<Histogram> anonymous{{{0, 2}, {1, 2}}, {{0, 1}, {1, 2}, {2, 1}}, {{2, 4}}};
    const std::vector<Histogram> diverse{
        {{0, 1}, {1, 1}, {2, 2}}, {{0, 1}, {1, 2}, {2, 1}}, {{0, 1}, {1, 1}, {2, 2}}};
    const GroupTotals bad = totals_of(anonymous, 3, {.k = 4});
    CHECK(bad.patients == 12);
    CHECK(bad.smallest_group == 4);
    CHECK(bad.patients_below == 0);
    CHECK(bad.fewest_categories == 1);
    CHECK(bad.least_entropy_l == Approx(1));
    CHECK(totals_of(anonymous, 3, {.k = 4, .l = 3}).patients_below == 8);

    const GroupTotals good = totals_of(diverse, 3, {.k = 4, .l = 3, .entropy_l = 2.8});
    CHECK(good.patients_below == 0);
    CHECK(good.fewest_categories == 3);
    CHECK(good.least_entropy_l == Approx(2.828427).epsilon(1e-6));
    CHECK(totals_of(diverse, 3, {.k = 4, .entropy_l = 2.9}).patients_below == 12);
}

TEST_CASE(
    "recursive (c, l)-diversity: the most frequent value has less than c times what is left from the l-th "
    "on") {
    const Histogram group{{0, 5}, {1, 3}, {2, 2}, {3, 1}};
    CHECK(recursive_ratio(group, 2) == Approx(5.0 / 6));
    CHECK(recursive_ratio(group, 3) == Approx(5.0 / 3));
    CHECK(recursive_ratio(group, 4) == Approx(5));
    CHECK(std::isinf(recursive_ratio(group, 5)));
    // 5 < c x 3: strictly.
    CHECK(totals_of({group}, 4, {.k = 1, .recursive_c = 5.0 / 3, .recursive_l = 3}).patients_below == 11);
    CHECK(totals_of({group}, 4, {.k = 1, .recursive_c = 1.7, .recursive_l = 3}).patients_below == 0);
    CHECK(totals_of({group}, 4, {.k = 1, .recursive_c = 1e9, .recursive_l = 5}).patients_below == 11);
}

// Li, Li and Venkatasubramanian, ICDE 2007: salaries 3K to 11K are 0 to 8, each of one person.
TEST_CASE(
    "the published salaries: 3K, 4K, 5K is 0.375 from all, 6K, 8K, 11K is 0.167, and table 5 is "
    "0.167-close") {
    const Closeness salaries(std::vector<std::int64_t>(9, 1), Distance::ordered);
    CHECK(salaries.of({{0, 1}, {1, 1}, {2, 1}}) == 0.375);
    CHECK(salaries.of({{3, 1}, {5, 1}, {8, 1}}) == Approx(0.167).margin(0.0005));
    const GroupTotals table_5 =
        totals_of({{{0, 1}, {2, 1}, {6, 1}}, {{3, 1}, {5, 1}, {8, 1}}, {{1, 1}, {4, 1}, {7, 1}}}, 9,
                  {.k = 3, .l = 3, .t = 0.167, .distance = Distance::ordered});
    CHECK(table_5.greatest_distance == Approx(0.167).margin(0.0005));
    CHECK(table_5.patients_below == 0);
}

TEST_CASE("a distance that is just t holds, however it is summed") {
    // A fifth of all patients is moved.
    const std::vector<std::int64_t> all{3, 3, 3, 3, 3};
    const Histogram group{{0, 2}, {1, 1}, {2, 1}, {3, 1}};
    CHECK(Closeness(all, Distance::equal).of(group) == 0.2);
    CHECK(hold({.k = 1, .t = 0.2}, measure(group, {}, Closeness(all, Distance::equal))));
    CHECK_FALSE(hold({.k = 1, .t = 0.19}, measure(group, {}, Closeness(all, Distance::equal))));
}

TEST_CASE("three equal thirds are entropy 3-diverse, though logarithms round") {
    for (int thirds = 1; thirds < 2000; ++thirds) {
        const Histogram group{{0, thirds}, {1, thirds}, {2, thirds}};
        if (!hold({.k = 1, .entropy_l = 3},
                  measure(group, {}, Closeness({thirds, thirds, thirds}, Distance::equal))))
            FAIL("of " << thirds);
    }
    SUCCEED();
}

TEST_CASE("on random tables every measure is what its definition says") {
    std::mt19937 draw(11);
    for (int round = 0; round < 500; ++round) {
        const std::size_t categories = 1 + draw() % 12;
        std::vector<Histogram> groups(1 + draw() % 5);
        for (Histogram& group : groups) {
            std::map<std::uint32_t, std::int64_t> counts;
            for (std::size_t i = 0, patients = 1 + draw() % 20; i < patients; ++i)
                ++counts[draw() % categories];
            for (const auto& [category, patients] : counts) group.push_back({category, patients});
        }
        const std::vector<std::int64_t> all = sum_of(groups, categories);
        std::int64_t patients = 0;
        for (const std::int64_t one : all) patients += one;
        for (const Histogram& group : groups) {
            const auto here = static_cast<double>(patients_of(group));
            double half = 0, entropy = 0;
            for (std::size_t i = 0; i < categories; ++i) {
                double part = 0;
                for (const CategoryCount& one : group)
                    if (one.category == i) part = static_cast<double>(one.patients) / here;
                half += std::abs(part - static_cast<double>(all[i]) / static_cast<double>(patients)) / 2;
                if (part > 0) entropy -= part * std::log(part);
            }
            CHECK(Closeness(all, Distance::equal).of(group) == Approx(half).margin(1e-12));
            CHECK(Closeness(all, Distance::ordered).of(group) == Approx(carried(group, all)).margin(1e-12));
            CHECK(entropy_diversity(group) == Approx(std::exp(entropy)));
        }
    }
}

TEST_CASE("one patient, or all of one category") {
    CHECK(Closeness({1}, Distance::ordered).of({{0, 1}}) == 0);
    CHECK(Closeness({0, 7, 0}, Distance::ordered).of({{1, 2}}) == 0);
    CHECK(Closeness({0, 7, 0}, Distance::equal).of({{1, 2}}) == 0);
    CHECK(entropy_diversity({{0, 1}}) == 1);
}

TEST_CASE("neither what is missing nor several are values, and they may be the most frequent one") {
    // 0 is missing, 3 is several.
    const Closeness all({4, 9, 9, 4}, Distance::equal, kMissing, 3);
    const Criteria asked{.k = 1, .l = 2, .entropy_l = 1.5, .recursive_c = 3, .recursive_l = 2};
    for (const Histogram& group :
         {Histogram{{0, 2}, {1, 2}}, Histogram{{1, 2}, {3, 2}}, Histogram{{0, 1}, {3, 1}}}) {
        const GroupMeasures found = measure(group, asked, all);
        CHECK(found.categories <= 1);
        CHECK(found.entropy_l == 1);
        CHECK(std::isinf(found.recursive_ratio));
        CHECK_FALSE(hold(asked, found));
        CHECK_FALSE(hold_monotone(asked, found));
    }
    // Two of each, and two of whom nothing or several are known: 4 and 2 at worst.
    const GroupMeasures found = measure({{0, 1}, {1, 2}, {2, 2}, {3, 1}}, asked, all);
    CHECK(found.categories == 2);
    CHECK(found.entropy_l == Approx(entropy_diversity({{1, 4}, {2, 2}})));
    CHECK(found.recursive_ratio == 2);
}

TEST_CASE("of two categories of a patient a missing one says nothing") {
    CHECK(joined(kMissing, 2, 9) == 2);
    CHECK(joined(2, kMissing, 9) == 2);
    CHECK(joined(2, 2, 9) == 2);
    CHECK(joined(2, 3, 9) == 9);
    CHECK(joined(9, kMissing, 9) == 9);
    CHECK(joined(9, 2, 9) == 9);
    CHECK(joined(kMissing, kMissing, 9) == kMissing);
}

TEST_CASE("who has none or several of them has no place in an order") {
    CHECK_THROWS_WITH(Closeness({1, 2, 2, 0}, Distance::ordered, kMissing, 3), Catch::Contains("ordered"));
    CHECK_THROWS_WITH(Closeness({0, 2, 2, 1}, Distance::ordered, kMissing, 3), Catch::Contains("ordered"));
    // Two values, one step apart, whatever else there could be.
    const Closeness all({0, 2, 2, 0}, Distance::ordered, kMissing, 3);
    CHECK(all.of({{1, 1}}) == 0.5);
}

TEST_CASE("of two lists of criteria the stricter holds") {
    Criteria one{.k = 5, .l = 2, .recursive_c = 2, .recursive_l = 3, .t = 0.3};
    one.join({.k = 3, .l = 4, .entropy_l = 2, .recursive_c = 4, .recursive_l = 4, .t = 0.2});
    CHECK(one.k == 5);
    CHECK(one.l == 4);
    CHECK(one.entropy_l == 2);
    CHECK(one.recursive_c == 2);
    CHECK(one.recursive_l == 4);
    CHECK(one.t == 0.2);
    Criteria none{.k = 1};
    none.join(one);
    CHECK(none.recursive_c == 2);
}
