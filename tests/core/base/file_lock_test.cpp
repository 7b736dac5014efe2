#include "core/base/file_lock.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <optional>

#include "core/base/error.h"
#include "support/scratch.h"

using namespace core;
using Answer = FileLock::Answer;

TEST_CASE("one has the lock at a time, and who had it may have it again") {
    const test::Scratch folder;
    std::optional<FileLock> one(folder / "lock");
    FileLock other(folder / "lock");
    CHECK(one->ask() == Answer::ours);
    CHECK(one->ask() == Answer::ours);
    CHECK(other.ask() == Answer::anothers);
    { const Fd closed = open_regular(folder / "lock"); }  // no other descriptor of the file takes it away
    CHECK(other.ask() == Answer::anothers);
    one.reset();
    CHECK(other.ask() == Answer::ours);
    FileLock moved(std::move(other));
    CHECK(FileLock(folder / "lock").ask() == Answer::anothers);
    CHECK(FileLock(folder / "another").ask() == Answer::ours);
}

TEST_CASE("a process that is killed leaves no lock") {
    const test::Scratch folder;
    int has_it[2];
    REQUIRE(::pipe(has_it) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        FileLock lock(folder / "lock");
        const char is_ours = lock.ask() == Answer::ours;
        if (::write(has_it[1], &is_ours, 1) != 1) ::_exit(1);
        for (;;) ::pause();
    }
    char is_ours = 0;
    REQUIRE(::read(has_it[0], &is_ours, 1) == 1);
    CHECK(is_ours);
    FileLock lock(folder / "lock");
    CHECK(lock.ask() == Answer::anothers);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    CHECK(lock.ask() == Answer::ours);
}

TEST_CASE("a lock that cannot be opened names its file") {
    const test::Scratch folder;
    CHECK_THROWS_WITH(FileLock(folder / "nowhere/lock"), Catch::Contains("nowhere/lock: No such file"));
    std::filesystem::create_symlink("elsewhere", folder / "link");
    CHECK_THROWS_AS(FileLock(folder / "link"), Error);
    CHECK_FALSE(std::filesystem::exists(folder / "elsewhere"));
}
