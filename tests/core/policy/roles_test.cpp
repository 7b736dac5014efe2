#include "core/policy/roles.h"

#include <catch2/catch.hpp>

#include "core/base/files.h"
#include "support/scratch.h"

using namespace core;
using Catch::Contains;

TEST_CASE("roles are what the file says, and a misspelt one is refused") {
    const test::Scratch scratch;
    const auto file = scratch / "roles.toml";
    write_atomically(file,
                     "[accounts]\nmei = [\"reviewer-legal\", \"release-reviewer\"]\nroot = [\"admin\"]\n"
                     "[people]\n\"Mei\" = [\"mei\", \"e-mei\"]\n");
    const Roles roles = Roles::load(file);
    CHECK(roles.has("mei", "reviewer-legal"));
    CHECK_FALSE(roles.has("mei", "admin"));
    CHECK_FALSE(roles.has("nobody", "admin"));
    CHECK(roles.of("mei").size() == 2);
    CHECK(roles.same_person("mei", "e-mei"));
    CHECK(roles.same_person("x", "x"));
    CHECK_FALSE(roles.same_person("mei", "root"));
    write_atomically(file, "[accounts]\nmei = [\"reviewer-legl\"]\n");
    CHECK_THROWS_WITH(Roles::load(file), Contains("did you mean \"reviewer-legal\""));
    write_atomically(file, "[people]\na = [\"x\"]\nb = [\"x\"]\n");
    CHECK_THROWS_WITH(Roles::load(file), Contains("another person"));
}
