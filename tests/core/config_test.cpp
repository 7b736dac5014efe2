#include "core/base/config.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"

using Catch::Contains;
using core::Config;

TEST_CASE("a key that nobody asked for is refused with the nearest name") {
    const Config config = Config::parse("target_bytse = 5\n", "pack.toml");
    CHECK(config.integer_or("target_bytes", 1) == 1);
    CHECK_THROWS_WITH(config.finish(),
                      Contains("pack.toml") && Contains("target_bytse") && Contains("\"target_bytes\""));
}

TEST_CASE("an unknown key in a nested table is refused too") {
    const Config config = Config::parse("[a]\nb = 1\n[[c]]\nx = 1\n[[c]]\ny = 2\n", "f");
    CHECK(config.table("a").integer("b") == 1);
    for (const Config& each : config.tables("c")) each.integer_or("x", 0);
    CHECK_THROWS_WITH(config.finish(), Contains("[[c]] 2") && Contains("y"));
}

TEST_CASE("a wrong type or a missing key names key and expectation, never the value") {
    const Config config = Config::parse("name = 7\nsecret = 'A123456789'\n", "f");
    CHECK_THROWS_WITH(config.text("name"), Contains("name: expected a text"));
    CHECK_THROWS_WITH(config.integer("secret"),
                      Contains("secret: expected an integer") && !Contains("A123456789"));
    CHECK_THROWS_WITH(config.integer("absent"), Contains("missing"));
}

TEST_CASE("lists hold one type") {
    const Config config = Config::parse("good = ['a', 'b']\nmixed = ['a', 2]\n", "f");
    CHECK(config.texts("good") == std::vector<std::string>{"a", "b"});
    CHECK_THROWS(config.texts("mixed"));
    CHECK(config.texts("absent").empty());
}

TEST_CASE("broken TOML names the line, not its text") {
    CHECK_THROWS_WITH(Config::parse("a = 1\nb = 'A123456789\n", "f"),
                      Contains("line 2") && !Contains("A123456789"));
}

TEST_CASE("nearest finds slips, not strangers") {
    CHECK(core::nearest("lerning_rate", {"learning_rate", "batch"}) == "learning_rate");
    CHECK_FALSE(core::nearest("zzzzzz", {"learning_rate", "batch"}));
}
