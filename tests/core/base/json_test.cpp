#include "core/base/json.h"

#include <catch2/catch.hpp>
#include <string>

#include "core/base/error.h"

using core::parse_json;

namespace {

std::string repeated(const std::string& text, int times) {
    std::string all;
    for (int n = 0; n < times; ++n) all += text;
    return all;
}

}  // namespace

TEST_CASE("JSON that is nested deeply is refused, and does not end the process") {
    const auto [open, close] =
        GENERATE(std::pair{"[", "]"}, std::pair{R"({"a":)", "}"}, std::pair{R"([{"a":)", "}]"});
    const int times = GENERATE(100, 100000);
    CHECK_THROWS_WITH(parse_json(repeated(open, times) + "1" + repeated(close, times)),
                      Catch::Contains("nested too deeply"));
    CHECK_THROWS_WITH(parse_json(repeated(open, times)), Catch::Contains("nested too deeply"));
}

TEST_CASE("JSON is parsed as deep as the caller says") {
    for (const auto& [open, close] : {std::pair{"[", "]"}, std::pair{R"({"a":)", "}"}}) {
        CHECK_NOTHROW(parse_json(repeated(open, 32) + "1" + repeated(close, 32)));
        CHECK_THROWS_AS(parse_json(repeated(open, 34) + "1" + repeated(close, 34)), core::Error);
        CHECK_NOTHROW(parse_json(repeated(open, 3) + "1" + repeated(close, 3), 3));
        CHECK_THROWS_AS(parse_json(repeated(open, 5) + "1" + repeated(close, 5), 3), core::Error);
    }
    CHECK(parse_json("[[1,2],[3]]", 2).at(1).at(0) == 3);  // beside each other is not within
    CHECK_THROWS_AS(parse_json("[1"), nlohmann::json::exception);
}
