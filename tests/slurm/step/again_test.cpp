#include "slurm/step/again.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "core/base/files.h"
#include "support/scratch.h"

namespace fs = std::filesystem;
using slurm::Again;
using slurm::kMostInARow;

namespace {

// As each run of a job does that does not begin.
bool runs_again(const Again& again, int restarts) {
    return again.count(again.take(), restarts);
}

}  // namespace

TEST_CASE("a job is run again so often in a row, however often it was requeued by its own wish") {
    const test::Scratch workspace;
    const Again again(17, workspace.path());
    for (int run = 0; run < kMostInARow; ++run) CHECK(runs_again(again, 500 + run));
    CHECK_FALSE(runs_again(again, 520));
    CHECK(fs::is_empty(workspace.path()));
    CHECK(runs_again(again, 521));  // a row of its own
}

TEST_CASE("a run that begins ends the row, and leaves nothing behind") {
    const test::Scratch workspace;
    const Again again(17, workspace.path());
    for (int run = 0; run < kMostInARow; ++run) CHECK(runs_again(again, run));
    CHECK(again.take() == kMostInARow);
    CHECK(fs::is_empty(workspace.path()));
    CHECK(again.take() == 0);
    CHECK(runs_again(again, 30));
}

TEST_CASE("a step that does not begin goes on with the row that its batch script took") {
    const test::Scratch workspace;
    const Again again(17, workspace.path());
    for (int run = 0; run < kMostInARow; ++run) {
        const int before = again.take();
        CHECK(before == run);
        CHECK(again.count(before, 99));
    }
    CHECK_FALSE(again.count(again.take(), 99));
}

TEST_CASE("another job's row is another one") {
    const test::Scratch workspace;
    CHECK(runs_again(Again(17, workspace.path()), 99));
    CHECK(Again(170, workspace.path()).take() == 0);
    CHECK(Again(17, workspace.path()).take() == 1);
}

TEST_CASE(
    "what a job makes in the place of its count ends that job, and is neither followed nor waited for") {
    const test::Scratch workspace;
    const auto file = workspace.path() / ".aloft-again-17";
    const auto kept = workspace.path() / "kept";
    core::write_atomically(kept, "3", 0600);
    SECTION("a link") {
        fs::create_symlink("kept", file);
    }
    SECTION("a FIFO") {
        REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
    }
    SECTION("a folder") {
        fs::create_directories(file / "more");
    }
    SECTION("no number") {
        core::write_atomically(file, "many", 0600);
    }
    SECTION("nothing") {
        core::write_atomically(file, "", 0600);
    }
    SECTION("less than nothing") {
        core::write_atomically(file, "-2000000000", 0600);
    }
    SECTION("more than a number holds") {
        core::write_atomically(file, std::string(4096, '9'), 0600);
    }
    CHECK_FALSE(runs_again(Again(17, workspace.path()), 1));
    CHECK(core::read_text(kept) == "3");
}

TEST_CASE("where nothing can be counted the number of all restarts decides") {
    const test::Scratch workspace;
    const Again again(17, workspace.path() / "not there");
    CHECK(runs_again(again, kMostInARow));
    CHECK_FALSE(runs_again(again, kMostInARow + 1));
    CHECK(slurm::ask_to_run_again(60'000'017, kMostInARow));  // no view here
    CHECK_FALSE(slurm::ask_to_run_again(60'000'017, kMostInARow + 1));
}
