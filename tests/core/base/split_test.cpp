#include "core/base/split.h"

#include <catch2/catch.hpp>

using namespace core;

TEST_CASE("a text is split at each sign, and what stands between two of them is a part, empty or not") {
    using Parts = std::vector<std::string>;
    CHECK(split("", ',') == Parts{});
    CHECK(split("a", ',') == Parts{"a"});
    CHECK(split("a,b,,c", ',') == Parts{"a", "b", "", "c"});
    CHECK(split(",a", ',') == Parts{"", "a"});
    CHECK(split("a,", ',') == Parts{"a"});
    CHECK(split(" a ; b,c", ';') == Parts{" a ", " b,c"});
}

TEST_CASE("words are joined by what stands between them, and nothing stands at the ends") {
    CHECK(joined({}).empty());
    CHECK(joined({"a"}) == "a");
    CHECK(joined({"a", "", "b"}) == "a, , b");
    CHECK(joined({"a", "b"}, ",") == "a,b");
}

TEST_CASE("a text is trimmed of spaces, tabs and carriage returns at both ends, and of nothing within") {
    CHECK(trimmed("").empty());
    CHECK(trimmed(" \t\r ").empty());
    CHECK(trimmed("a") == "a");
    CHECK(trimmed("\t a \t b \r") == "a \t b");
    CHECK(trimmed("a\n") == "a\n");  // a line has none
}
