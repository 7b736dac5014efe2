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
                     "[people]\n\"Mei\" = [\"mei\", \"e-mei\"]\n\"Rita\" = [\"root\"]\n");
    const Roles roles = Roles::load(file);
    CHECK(roles.has("mei", "reviewer-legal"));
    CHECK_FALSE(roles.has("mei", "admin"));
    CHECK_FALSE(roles.has("nobody", "admin"));
    CHECK(roles.of("mei").size() == 2);
    CHECK(roles.same_person("mei", "e-mei"));
    CHECK_FALSE(roles.same_person("mei", "root"));
    CHECK(roles.person_of("e-mei") == "Mei");
    CHECK_FALSE(roles.logins_apart());
    write_atomically(file, "[login]\napart = true\n");
    CHECK(Roles::load(file).logins_apart());
    write_atomically(file, "[login]\napert = true\n");
    CHECK_THROWS_WITH(Roles::load(file), Contains("apart"));
    write_atomically(file, "[accounts]\nmei = [\"reviewer-legl\"]\n");
    CHECK_THROWS_WITH(Roles::load(file), Contains("did you mean \"reviewer-legal\""));
    write_atomically(file, "[people]\na = [\"x\"]\nb = [\"x\"]\n");
    CHECK_THROWS_WITH(Roles::load(file), Contains("another person"));
}

TEST_CASE("who is behind an account is never guessed: unknown is not somebody else") {
    const test::Scratch scratch;
    const auto file = scratch / "roles.toml";
    write_atomically(file, "[accounts]\nmei = [\"admin\"]\n[people]\nMei = [\"mei\"]\n");
    const Roles roles = Roles::load(file);
    for (const char* other : {"x", "e-mei"}) {
        CHECK_THROWS_WITH(roles.same_person("mei", other), Contains("[people] of roles.toml"));
        CHECK_THROWS_WITH(roles.same_person(other, "mei"), Contains("[people] of roles.toml"));
    }
    CHECK_THROWS_WITH(roles.same_person("x", "x"), Contains("stands under no person"));
    write_atomically(file, "[accounts]\nmei = [\"admin\"]\n[people]\nMei = [\"e-mei\"]\n");
    CHECK_THROWS_WITH(Roles::load(file), Contains("has a role, but stands under no person"));
}
