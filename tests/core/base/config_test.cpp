#include "core/base/config.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "support/scratch.h"

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

TEST_CASE("settings from the command line replace values, and unknown ones are refused like any other key") {
    const test::Scratch scratch;
    core::write_atomically(scratch / "f.toml", "[optimizer]\nrate = 1.0\nname = 'sgd'\n");
    const Config config = Config::load(
        scratch / "f.toml", {"optimizer.rate=0.01", "optimizer.name=adamw", "a.b.c=[1, 2]", "typo=1"});
    CHECK(config.table("optimizer").number("rate") == 0.01);
    CHECK(config.table("optimizer").text("name") == "adamw");
    CHECK(config.table("a").table("b").integers("c") == std::vector<std::int64_t>{1, 2});
    CHECK_THROWS_WITH(config.finish(), Contains("typo"));
    for (const char* bad : {"rate", "=1", "optimizer.=1", "optimizer.rate.x=1", "a=1\nb=2"})
        CHECK_THROWS_WITH(Config::load(scratch / "f.toml", {bad}), Contains("expected table.key=value"));
}
