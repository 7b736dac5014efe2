#include "slurm/node/scrub.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

#include "core/base/files.h"
#include "support/scratch.h"

namespace {

namespace fs = std::filesystem;
constexpr std::uint32_t kAccount = 54321;  // of the files to remove; giving files away needs root

void give(const fs::path& path) {
    REQUIRE(::lchown(path.c_str(), kAccount, kAccount) == 0);
}

}  // namespace

TEST_CASE("an account's files go wherever they are; others' stay, and what links point to") {
    if (::geteuid() != 0) {
        WARN("skipped: needs root");
        return;
    }
    const test::Scratch scratch;
    const fs::path tmp = scratch / "tmp";
    core::make_directories(tmp / "theirs" / "deep");
    core::make_directories(tmp / "mine" / "deep" / "er");
    for (const auto& path :
         {tmp / "a", tmp / "theirs" / "deep" / "b", tmp / "mine" / "c", tmp / "mine/deep/er/d"}) {
        core::write_atomically(path, "x");
        give(path);
    }
    for (const auto& path : {tmp / "mine" / "deep" / "er", tmp / "mine" / "deep", tmp / "mine"}) give(path);
    core::write_atomically(tmp / "theirs" / "kept", "x");
    core::write_atomically(scratch / "outside", "x");
    give(scratch / "outside");
    core::make_directories(scratch / "folder");
    core::write_atomically(scratch / "folder" / "file", "x");
    give(scratch / "folder" / "file");
    fs::create_symlink(scratch / "outside", tmp / "link");
    fs::create_symlink(scratch / "folder", tmp / "way-out");
    give(tmp / "link");
    REQUIRE(::mkfifo((tmp / "fifo").c_str(), 0600) == 0);
    give(tmp / "fifo");

    std::string left;
    CHECK(slurm::scrub_files(kAccount, tmp, left) == 4 + 3 + 1 + 1);
    CHECK(left.empty());
    CHECK(fs::exists(tmp / "theirs" / "kept"));
    CHECK_FALSE(fs::exists(tmp / "mine"));
    CHECK_FALSE(fs::exists(tmp / "theirs" / "deep" / "b"));
    CHECK(fs::exists(scratch / "outside"));
    CHECK(fs::exists(scratch / "folder" / "file"));
    CHECK(fs::is_symlink(tmp / "way-out"));  // root's own link
    CHECK(slurm::scrub_files(kAccount, tmp, left) == 0);
}

TEST_CASE("what cannot be removed is said") {
    if (::geteuid() != 0) {
        WARN("skipped: needs root");
        return;
    }
    const test::Scratch scratch;
    core::make_directories(scratch / "tmp" / "mine");
    core::write_atomically(scratch / "tmp" / "mine" / "not-mine", "x");
    give(scratch / "tmp" / "mine");
    std::string left;
    CHECK(slurm::scrub_files(kAccount, scratch / "tmp", left) == 0);
    CHECK_THAT(left, Catch::Contains("others' files"));
    CHECK(fs::exists(scratch / "tmp" / "mine" / "not-mine"));
}

TEST_CASE("root is never scrubbed") {
    const test::Scratch scratch;
    core::make_directories(scratch / "tmp");
    core::write_atomically(scratch / "tmp" / "file", "x");
    const auto scrubbed = slurm::scrub(0, {scratch / "tmp"}, scratch / "run");
    CHECK(scrubbed.files + scrubbed.processes + scrubbed.ipc + scrubbed.mounts == 0);
    CHECK(fs::exists(scratch / "tmp" / "file"));
}

TEST_CASE("a tree deeper than a process may have files open is removed") {
    if (::geteuid() != 0) {
        WARN("skipped: needs root");
        return;
    }
    const test::Scratch scratch;
    core::make_directories(scratch / "tmp");
    const core::Fd back(::open(".", O_RDONLY | O_DIRECTORY));
    REQUIRE(::chdir((scratch / "tmp").c_str()) == 0);
    constexpr int kDeep = 3000;
    for (int n = 0; n < kDeep; ++n) {
        REQUIRE(::mkdir("d", 0700) == 0);
        REQUIRE(::lchown("d", kAccount, kAccount) == 0);
        REQUIRE(::chdir("d") == 0);
    }
    REQUIRE(::fchdir(back.get()) == 0);
    std::string left;
    CHECK(slurm::scrub_files(kAccount, scratch / "tmp", left) == kDeep);
    CHECK(left.empty());
    CHECK(fs::is_empty(scratch / "tmp"));
}

TEST_CASE("a tree of somebody else's, however deep or large, is not the account's fault") {
    if (::geteuid() != 0) {
        WARN("skipped: needs root");
        return;
    }
    const test::Scratch scratch;
    fs::path deep = scratch / "tmp";
    for (int n = 0; n < 300; ++n) deep /= "d";
    core::make_directories(deep);
    core::write_atomically(deep / "mine", "x");
    give(deep / "mine");
    std::string left;
    CHECK(slurm::scrub_files(kAccount, scratch / "tmp", left, std::chrono::milliseconds(-1)) == 0);
    CHECK(left.empty());  // there was no time to find it
    CHECK(slurm::scrub_files(kAccount, scratch / "tmp", left) == 1);
    CHECK(left.empty());
    CHECK(fs::exists(deep));
}

TEST_CASE("a GPU that is still used is waited for, and only the account's use counts") {
    const test::Scratch scratch;
    const fs::path count = scratch / "count", program = scratch / "nvidia-smi";
    const auto answers = [&](const std::string& text) {
        core::write_atomically(program, "#!/bin/sh\n" + text + "\n", 0755);
        fs::remove(count);
    };
    const auto left_after = [&](std::uint32_t uid, int milliseconds) {
        std::string left;
        slurm::scrub_gpus(uid, program, std::chrono::milliseconds(milliseconds), left);
        return left;
    };
    CHECK(left_after(kAccount, 0).empty());  // no such program
    const std::string gone = "4194304";      // no process has this number: pid_max is at most 4,194,304
    answers("echo x >> " + count.string() + "; [ $(wc -l < " + count.string() + ") -gt 2 ] || echo " + gone);
    CHECK(left_after(kAccount, 30000).empty());
    CHECK(core::read_text(count).size() == 6);  // asked three times
    answers("echo " + gone);
    CHECK_THAT(left_after(kAccount, 300), Catch::Contains("memory of a GPU"));
    answers("echo " + std::to_string(::getpid()));
    CHECK(left_after(kAccount, 300).empty());  // somebody else's: MPS, DCGM
    CHECK_THAT(left_after(::geteuid(), 300), Catch::Contains("memory of a GPU"));
    answers("exit 9");
    CHECK_THAT(left_after(kAccount, 300), Catch::Contains("cannot look at"));
    answers("true");
    CHECK(left_after(kAccount, 300).empty());
}
