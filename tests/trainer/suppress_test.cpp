#include "trainer/eval/suppress.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

using trainer::FigureSet;
using trainer::suppressed;

namespace {

constexpr std::int64_t kLeast = 10;

// The whole, each site (kind 1), each vendor (2) and, if wanted, each pair (3) of a table of patients.
std::vector<FigureSet> table(const std::vector<std::vector<std::int64_t>>& patients, bool pairs) {
    const std::size_t sites = patients.size(), vendors = patients[0].size();
    std::vector<std::pair<std::size_t, std::size_t>> atoms;  // those that occur
    for (std::size_t s = 0; s < sites; ++s)
        for (std::size_t v = 0; v < vendors; ++v)
            if (patients[s][v] > 0) atoms.emplace_back(s, v);
    std::vector<FigureSet> out;
    const auto add = [&](int kind, auto&& is_in) {
        FigureSet set{{}, 0, kind};
        for (const auto& [s, v] : atoms) {
            set.atoms.push_back(is_in(s, v));
            if (set.atoms.back()) set.patients += patients[s][v];
        }
        if (set.patients > 0) out.push_back(set);
    };
    add(0, [](auto, auto) { return true; });
    for (std::size_t one = 0; one < sites; ++one) add(1, [&](auto s, auto) { return s == one; });
    for (std::size_t one = 0; one < vendors; ++one) add(2, [&](auto, auto v) { return v == one; });
    if (pairs)
        for (const auto& [a, b] : atoms)
            add(3, [&, a = a, b = b](auto s, auto v) { return s == a && v == b; });
    return out;
}

// Sums of the shown sets with all factors from -2 to 2, by another way than elimination: is `wanted` among
// them?
bool can_be_had(const std::vector<FigureSet>& sets, const std::vector<bool>& hidden,
                const FigureSet& wanted) {
    std::vector<std::size_t> shown;
    for (std::size_t i = 0; i < sets.size(); ++i)
        if (!hidden[i]) shown.push_back(i);
    const std::size_t atoms = wanted.atoms.size();
    std::vector<int> left(atoms);
    for (std::size_t a = 0; a < atoms; ++a) left[a] = wanted.atoms[a];
    const auto search = [&](auto&& self, std::size_t at) -> bool {
        if (std::all_of(left.begin(), left.end(), [](int x) { return x == 0; })) return true;
        if (at == shown.size()) return false;
        for (const int factor : {0, 1, -1, 2, -2}) {
            for (std::size_t a = 0; a < atoms; ++a) left[a] -= factor * sets[shown[at]].atoms[a];
            const bool found = self(self, at + 1);
            for (std::size_t a = 0; a < atoms; ++a) left[a] += factor * sets[shown[at]].atoms[a];
            if (found) return true;
        }
        return false;
    };
    return search(search, 0);
}

}  // namespace

TEST_CASE("no small set can be computed from those that are shown") {
    std::mt19937 random(5);
    int small = 0, shown = 0;
    for (int round = 0; round < 150; ++round) {
        const bool pairs = round % 2;
        std::vector<std::vector<std::int64_t>> patients(2 + random() % 2, std::vector<std::int64_t>(2));
        for (auto& site : patients)
            for (auto& cell : site)
                cell = random() % 5 == 0 ? 0 : random() % 3 == 0 ? 1 + random() % 9 : 10 + random() % 40;
        const auto sets = table(patients, pairs);
        const auto hidden = suppressed(sets, kLeast);
        CHECK_FALSE(hidden[0]);
        for (std::size_t i = 1; i < sets.size(); ++i) {
            shown += !hidden[i];
            if (sets[i].patients >= kLeast || sets[i].atoms == sets[0].atoms) continue;
            ++small;
            CHECK(hidden[i]);
            CHECK_FALSE(can_be_had(sets, hidden, sets[i]));
        }
    }
    CHECK(small > 50);   // the test has something to look at,
    CHECK(shown > 100);  // and not all is hidden
}

TEST_CASE("cells of a pair are not their site's total less the shown cells") {
    const auto sets = table({{30, 3, 40}, {20, 25, 30}}, true);
    const auto hidden = suppressed(sets, kLeast);
    for (std::size_t i = 0; i < sets.size(); ++i)
        if (sets[i].patients < kLeast) {
            CHECK(hidden[i]);
            CHECK_FALSE(can_be_had(sets, hidden, sets[i]));
        }
    int shown = 0;
    for (std::size_t i = 6; i < sets.size(); ++i) shown += !hidden[i];
    CHECK(shown >= 2);
}

TEST_CASE("small sets are not told together either") {
    const auto sets = table({{40}, {50}, {3}, {4}}, false);
    const auto hidden = suppressed(sets, kLeast);
    CHECK(std::vector<bool>(hidden.begin(), hidden.begin() + 5) ==
          std::vector<bool>{false, true, false, true, true});
}

TEST_CASE("where nothing is small nothing is hidden, and the whole is shown whatever its size") {
    for (const bool hidden : suppressed(table({{30, 20}, {10, 40}}, true), kLeast)) CHECK_FALSE(hidden);
    CHECK_FALSE(suppressed(table({{2}}, false), kLeast)[0]);
}

TEST_CASE("of too many sets only the whole is shown, and the most that are allowed take no long time") {
    std::vector<std::vector<std::int64_t>> many(300, {20});
    const auto hidden = suppressed(table(many, false), kLeast);
    CHECK(std::count(hidden.begin(), hidden.end(), false) == 1);
    std::vector<std::vector<std::int64_t>> most(50, std::vector<std::int64_t>(4, 12));
    for (std::size_t i = 0; i < most.size(); i += 5) most[i][i % 4] = 2;
    const auto sets = table(most, true);
    REQUIRE(sets.size() == 255);
    const auto some = suppressed(sets, kLeast);
    CHECK(std::count(some.begin(), some.end(), false) > 100);
}
