#include "core/base/accounts.h"

#include <pwd.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "core/base/error.h"

using namespace core;
using std::chrono::milliseconds;

TEST_CASE("an account is what the C library says of it, by its name and by its number") {
    const passwd* own = ::getpwuid(::getuid());
    REQUIRE(own);
    for (const auto& found : {account_named(own->pw_name), account_numbered(own->pw_uid)}) {
        REQUIRE(found);
        CHECK(found->name == own->pw_name);
        CHECK(found->uid == own->pw_uid);
        CHECK(found->gid == own->pw_gid);
        CHECK(found->home == own->pw_dir);
        CHECK(found->shell == own->pw_shell);
    }
    CHECK(number_of_group("root") == 0);
}

TEST_CASE("of several those are told that there are") {
    const auto found = accounts_of({"no-such-account", "root", "4123456789", "1"});
    REQUIRE(found.size() == 2);
    CHECK(found[0].name == "root");
    CHECK(found[1].uid == 1);
    CHECK(accounts_of({}).empty());
    CHECK_FALSE(account_named("no-such-account"));
    CHECK_FALSE(account_named("0"));  // a number is no name
    CHECK_FALSE(account_named("--help"));
    CHECK_FALSE(account_numbered(4123456789));
    CHECK_FALSE(number_of_group("no-such-group"));
}

TEST_CASE("no answer in time is not taken for no account") {
    CHECK_THROWS_AS(account_named("root", milliseconds(0)), Error);
    CHECK_THROWS_AS(account_numbered(0, milliseconds(0)), Error);
    CHECK_THROWS_AS(number_of_group("root", milliseconds(0)), Error);
}
