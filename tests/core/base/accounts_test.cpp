#include "core/base/accounts.h"

#include <pwd.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/files.h"

using namespace core;
using std::chrono::milliseconds;

constexpr milliseconds kPatience{120'000};

TEST_CASE("an account is what the C library says of it, by its name and by its number") {
    const passwd* own = ::getpwuid(::getuid());
    REQUIRE(own);
    for (const auto& found :
         {account_named(own->pw_name, kPatience), account_numbered(own->pw_uid, kPatience)}) {
        REQUIRE(found);
        CHECK(found->name == own->pw_name);
        CHECK(found->uid == own->pw_uid);
        CHECK(found->gid == own->pw_gid);
        CHECK(found->home == own->pw_dir);
        CHECK(found->shell == own->pw_shell);
    }
    CHECK(number_of_group("root", kPatience) == 0);
}

TEST_CASE("of several those are told that there are") {
    const auto found = accounts_of({"no-such-account", "root", "4123456789", "1"}, kPatience);
    REQUIRE(found.size() == 2);
    CHECK(found[0].name == "root");
    CHECK(found[1].uid == 1);
    CHECK(accounts_of({}, kPatience).empty());
    CHECK_FALSE(account_named("no-such-account", kPatience));
    CHECK_FALSE(account_named("0", kPatience));  // a number is no name
    CHECK_FALSE(account_named("--help", kPatience));
    CHECK_FALSE(account_numbered(4123456789, kPatience));
    CHECK_FALSE(number_of_group("no-such-group", kPatience));
}

TEST_CASE("no answer in time is not taken for no account") {
    CHECK_THROWS_AS(account_named("root", milliseconds(0)), Error);
    CHECK_THROWS_AS(account_numbered(0, milliseconds(0)), Error);
    CHECK_THROWS_AS(number_of_group("root", milliseconds(0)), Error);
}

TEST_CASE("this host's own file is read without anybody") {
    TemporaryFolder scratch("accounts");
    const auto file = scratch.path() / "passwd";
    write_atomically(file, "root:x:0:0:root:/root:/bin/sh\n+\nhalf:x:5\nadmin:x:993:994:,,:/home/admin\n");
    const auto found = account_in_file(993, file);
    REQUIRE(found);
    CHECK((found->name == "admin" && found->gid == 994 && found->home == "/home/admin"));
    CHECK_FALSE(account_in_file(5, file));
    CHECK_FALSE(account_in_file(993, scratch.path() / "none"));
    CHECK(account_in_file(0)->name == "root");
}
