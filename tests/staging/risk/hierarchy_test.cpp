#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "staging/risk/hierarchy.h"

using namespace staging;
using Values = std::vector<std::string>;

namespace {

// What each value is at a level.
Values at(const Hierarchy& hierarchy, std::size_t level) {
    Values out;
    for (const std::uint32_t code : hierarchy.levels.at(level).codes)
        out.push_back(hierarchy.levels[level].values.at(code));
    return out;
}

Values names(const Hierarchy& hierarchy) {
    Values out;
    for (const Hierarchy::Level& level : hierarchy.levels) out.push_back(level.name);
    return out;
}

}  // namespace

TEST_CASE("a profile's age bands become wider ones; the open band and what is missing stay up to *") {
    const Hierarchy age = make_hierarchy("age", {"0-4", "5-9", "10-14", "80-84", "85-89", "90+", "unknown"},
                                         {.widths = {10, 20}});
    CHECK(names(age) == Values{"as it is", "bands of 10", "bands of 20", "*"});
    CHECK(at(age, 1) == Values{"0-9", "0-9", "10-19", "80-89", "80-89", "90+", "unknown"});
    CHECK(at(age, 2) == Values{"0-19", "0-19", "0-19", "80-89", "80-89", "90+", "unknown"});
    CHECK(at(age, 3) == Values(7, "*"));
}

TEST_CASE("a width that cuts a band in two is refused") {
    CHECK_THROWS_WITH(make_hierarchy("age", {"0-4", "5-9"}, {.widths = {3}}), Catch::Contains("age"));
}

TEST_CASE("whole numbers become bands from 0, below it too") {
    const Hierarchy weight = make_hierarchy("w", {"-1", "0", "9", "10", ""}, {.widths = {10}});
    CHECK(at(weight, 1) == Values{"-10--1", "0-9", "0-9", "10-19", ""});
}

TEST_CASE("dates become months, quarters and years; what is no date stays") {
    const Hierarchy visit =
        make_hierarchy("visit", {"2024-05-31", "2024-05-01", "20240601", "2024-12-24", "", "2024-13-01"},
                       {.dates = {"month", "quarter", "year"}});
    CHECK(at(visit, 1) == Values{"2024-05", "2024-05", "2024-06", "2024-12", "", "2024-13-01"});
    CHECK(at(visit, 2) == Values{"2024-Q2", "2024-Q2", "2024-Q2", "2024-Q4", "", "2024-13-01"});
    CHECK(at(visit, 3) == Values{"2024", "2024", "2024", "2024", "", "2024-13-01"});
}

TEST_CASE("codes are cut, by signs and not by bytes") {
    const Hierarchy zip =
        make_hierarchy("zip", {"47677", "47678", "47602", "47", "\u53f0\u5317\u5e02"}, {.prefixes = {4, 2}});
    CHECK(at(zip, 1) == Values{"4767*", "4767*", "4760*", "47", "\u53f0\u5317\u5e02"});
    CHECK(at(zip, 2) == Values{"47*", "47*", "47*", "47", "\u53f0\u5317*"});
}

TEST_CASE("sites become regions, and regions what they are part of") {
    const Hierarchy site = make_hierarchy("site", {"north", "east", "south", "abroad"},
                                          {.parents = {{"north", "upper"},
                                                       {"east", "upper"},
                                                       {"south", "lower"},
                                                       {"upper", "island"},
                                                       {"lower", "island"}}});
    CHECK(at(site, 1) == Values{"upper", "upper", "lower", "abroad"});
    CHECK(at(site, 2) == Values{"island", "island", "island", "abroad"});
    CHECK(site.levels.size() == 4);
}

TEST_CASE("a step that changes nothing is none, and a column of one value has none") {
    CHECK(make_hierarchy("zip", {"12", "34"}, {.prefixes = {2}}).levels.size() == 2);
    CHECK(make_hierarchy("zip", {"12"}, {}).levels.size() == 1);
    CHECK(make_hierarchy("zip", {}, {}).levels.size() == 1);
}

TEST_CASE("a rule that can read nothing of its column is refused, without a value in the text") {
    for (const HierarchyRule& rule : {HierarchyRule{.widths = {5}}, HierarchyRule{.dates = {"year"}}}) {
        try {
            make_hierarchy("zip", {"Taipei", "31/12/2024"}, rule);
            FAIL("accepted");
        } catch (const core::Error& e) {
            CHECK(e.fault() == core::Fault::usage);
            CHECK_THAT(e.what(),
                       Catch::Contains("zip") && !Catch::Contains("Taipei") && !Catch::Contains("2024;"));
        }
    }
}

TEST_CASE("a value loses the part of all others that it can be") {
    const Hierarchy age = make_hierarchy("age", {"0", "1", "2", "3", "4"}, {.widths = {2}});
    const auto losses = age.losses();
    CHECK(losses[0] == std::vector<std::int64_t>(5, 0));
    CHECK(losses[1] ==
          std::vector<std::int64_t>{kWholeLoss / 4, kWholeLoss / 4, kWholeLoss / 4, kWholeLoss / 4, 0});
    CHECK(losses[2] == std::vector<std::int64_t>(5, kWholeLoss));
}

TEST_CASE("people beside the table change no loss of what is in it") {
    const HierarchyRule rule{.widths = {2}};
    const auto alone = make_hierarchy("age", {"0", "1", "4"}, rule).losses();
    Hierarchy beside = make_hierarchy("age", {"0", "1", "2", "3", "4", "5"}, rule);
    beside.is_beside = {false, false, true, true, false, true};
    const auto losses = beside.losses();
    for (std::size_t level = 0; level < 3; ++level)
        CHECK(std::vector<std::int64_t>{losses[level][0], losses[level][1], losses[level][4]} ==
              alone[level]);
}

TEST_CASE("cells keep every value of every quasi-identifier") {
    std::vector<Hierarchy> all;
    for (int i = 0; i < 12; ++i) {
        Values values;
        for (int value = 0; value < (i % 2 ? 1000 : 3); ++value) values.push_back(std::to_string(value));
        all.push_back(unchanged("c" + std::to_string(i), values));
    }
    const Quasi quasi(all);
    for (std::uint32_t value = 0; value < 1000; value += 37) {
        PackedCell cell{};
        for (std::size_t i = 0; i < 12; ++i)
            quasi.put(cell, i, i % 2 ? value + static_cast<std::uint32_t>(i) : i % 3);
        bool same = true;
        for (std::size_t i = 0; i < 12; ++i)
            same &= quasi.code(cell, i) == (i % 2 ? value + static_cast<std::uint32_t>(i) : i % 3);
        CHECK(same);
    }
}

TEST_CASE("what does not fit into a cell is refused") {
    Values many;
    for (int i = 0; i < 70'000; ++i) many.push_back(std::to_string(i));
    const Hierarchy wide = unchanged("wide", many);  // 17 bits: three fit into each word
    CHECK_NOTHROW(Quasi(std::vector<Hierarchy>(6, wide)));
    CHECK_THROWS_WITH(Quasi(std::vector<Hierarchy>(7, wide)), Catch::Contains("128 bits"));
    CHECK_THROWS_WITH(Quasi(std::vector<Hierarchy>(17, unchanged("c", {"a"}))), Catch::Contains("16"));
}
