#include "core/base/child.h"

#include <catch2/catch.hpp>

using std::chrono::milliseconds;

TEST_CASE("a command's output is what it printed, if it ended well") {
    CHECK(core::output_of({"/bin/sh", "-c", "echo one; echo two >&2; echo three"}, milliseconds(20000)) ==
          "one\nthree\n");
    CHECK(core::output_of({"/bin/true"}, milliseconds(20000)) == "");
    CHECK(core::output_of({"/bin/echo", "a b", "$HOME"}, milliseconds(20000)) == "a b $HOME\n");
}

TEST_CASE("a command that fails, is not there or says too much has no output") {
    CHECK_FALSE(core::output_of({"/bin/sh", "-c", "echo one; exit 3"}, milliseconds(20000)));
    CHECK_FALSE(core::output_of({"/bin/sh", "-c", "kill -9 $$"}, milliseconds(20000)));
    CHECK_FALSE(core::output_of({"/nonexistent/program"}, milliseconds(20000)));
    CHECK_FALSE(core::output_of({"/usr/bin/yes"}, milliseconds(20000)));
}

TEST_CASE("an exit code is told with what was printed, and is not there if nothing ended") {
    const auto failed = core::finished_within({"/bin/sh", "-c", "echo one; exit 3"}, milliseconds(20000));
    REQUIRE(failed);
    CHECK(failed->code == 3);
    CHECK(failed->output == "one\n");
    const auto killed = core::finished_within({"/bin/sh", "-c", "kill -9 $$"}, milliseconds(20000));
    REQUIRE(killed);
    CHECK(killed->code == 128 + 9);
    CHECK_FALSE(core::finished_within({"/bin/sleep", "1000"}, milliseconds(50)));
}

TEST_CASE("a command that does not end is killed") {
    CHECK_FALSE(core::output_of({"/bin/sleep", "1000"}, milliseconds(50)));
    CHECK_FALSE(
        core::output_of({"/bin/sh", "-c", "trap '' TERM; echo one; exec sleep 1000"}, milliseconds(50)));
    CHECK_FALSE(core::output_of({"/bin/true"}, milliseconds(0)));
}

TEST_CASE("a command sees nothing of our environment but what it needs") {
    ::setenv("ALOFT_TEST_SECRET", "x", 1);
    const auto seen = core::output_of({"/usr/bin/env"}, milliseconds(20000));
    REQUIRE(seen);
    CHECK(seen->find("ALOFT_TEST_SECRET") == std::string::npos);
    CHECK(seen->find("PATH=/usr/sbin:/usr/bin:/sbin:/bin") != std::string::npos);
}
