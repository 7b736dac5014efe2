#include "staging/deid/quasi.h"

#include <catch2/catch.hpp>

using namespace staging;

namespace {

// One column of the whole numbers -20 to 20, in bands of 10, and one of sites.
struct Columns {
    QuasiColumns quasi;
    core::Schema schema;
    Columns() {
        std::vector<std::string> numbers;
        for (int value = -20; value <= 20; ++value) numbers.push_back(std::to_string(value));
        numbers.emplace_back();
        quasi.quasi = Quasi({make_hierarchy("stage", numbers, {.widths = {10}}),
                             make_hierarchy("site", {"north", "south", "east", ""},
                                            {.parents = {{"north", "upper"}, {"south", "upper"}}})});
        quasi.places = {{0, true, -20}, {1, false, 0}};
        quasi.levels = {0, 0};
        schema.columns = {{"stage", core::ColumnType::i64, {}},
                          {"site", core::ColumnType::category, {"north", "south", "east"}}};
    }
    std::vector<core::Cell> at(Levels levels, std::vector<core::Cell> cells) {
        quasi.levels = std::move(levels);
        generalise(cells, quasi);
        return cells;
    }
};

core::Cell number(std::int64_t value) {
    return value;
}
core::Cell site(const char* name) {
    return std::string(name);
}

}  // namespace

TEST_CASE("a whole number becomes the least of its band, below 0 too, and is missing at *") {
    Columns columns;
    const std::pair<std::int64_t, std::int64_t> bands[] = {{-20, -20}, {-11, -20}, {-10, -10}, {-1, -10},
                                                           {0, 0},     {9, 0},     {10, 10},   {20, 20}};
    for (const auto& [value, least] : bands) {
        CHECK(columns.at({1, 0}, {number(value), site("north")})[0] == number(least));
        CHECK(columns.at({2, 0}, {number(value), site("north")})[0] == core::Cell());
        CHECK(columns.at({0, 0}, {number(value), site("north")})[0] == number(value));
    }
    CHECK(columns.at({1, 0}, {core::Cell(), site("north")})[0] == core::Cell());
}

TEST_CASE("what is packed of two numbers is equal just where their codes are") {
    Columns columns;
    const Hierarchy::Level& bands = columns.quasi.quasi.hierarchies()[0].levels[1];
    for (std::int64_t a = -20; a <= 20; ++a)
        for (std::int64_t b = -20; b <= 20; ++b) {
            const bool alike = bands.codes[static_cast<std::size_t>(a + 20)] ==
                               bands.codes[static_cast<std::size_t>(b + 20)];
            if ((columns.at({1, 0}, {number(a), site("east")}) ==
                 columns.at({1, 0}, {number(b), site("east")})) != alike)
                FAIL(a << " and " << b);
        }
    SUCCEED();
}

TEST_CASE("a category becomes that of its level, and the schema has just those") {
    Columns columns;
    CHECK(columns.at({0, 1}, {number(1), site("south")})[1] == site("upper"));
    CHECK(columns.at({0, 1}, {number(1), site("east")})[1] == site("east"));
    CHECK(columns.at({0, 1}, {number(1), core::Cell()})[1] == core::Cell());
    generalise(columns.schema, columns.quasi);
    CHECK(columns.schema.columns[1].names == std::vector<std::string>{"upper", "east"});
    CHECK(columns.at({0, 2}, {number(1), site("south")})[1] == site("*"));
}

TEST_CASE("a cell has every code at its place, what is missing after all others") {
    Columns columns;
    const std::vector<core::Cell> cells{number(-20), site("east")}, none{core::Cell(), core::Cell()};
    const PackedCell packed = packed_cell(columns.quasi, cells, 0, columns.schema);
    CHECK(columns.quasi.quasi.code(packed, 0) == 0);
    CHECK(columns.quasi.quasi.code(packed, 1) == 2);
    const PackedCell missing = packed_cell(columns.quasi, none, 0, columns.schema);
    CHECK(columns.quasi.quasi.code(missing, 0) == 41);
    CHECK(columns.quasi.quasi.code(missing, 1) == 3);
}
