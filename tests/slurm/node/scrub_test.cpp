#include "slurm/node/scrub.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
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
