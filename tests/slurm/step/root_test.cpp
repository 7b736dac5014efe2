#include "slurm/step/root.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "core/base/files.h"
#include "slurm/step/view.h"
#include "tests/support/scratch.h"

namespace {

namespace fs = std::filesystem;

bool has_overlay(const fs::path& place, const fs::path& upper, const fs::path& lower) {
    fs::create_directories(place);
    const std::string options = "lowerdir=" + upper.string() + ":" + lower.string();
    return ::mount("overlay", place.c_str(), "overlay", 0, options.c_str()) == 0;
}

// In mounts of its own: what a view shows of /etc with one file and one folder of ours, where `layers` overlays lie below.
int show_etc(const fs::path& scratch, int layers) {
    if (::unshare(CLONE_NEWNS) || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr)) return 10;
    fs::path etc = scratch / "etc";
    fs::create_directories(etc / "profile.d");
    fs::create_directories(scratch / "none");
    core::write_atomically(etc / "passwd", std::string("theirs"), 0644);
    core::write_atomically(etc / "profile.d/own.sh", std::string("own"), 0644);
    core::write_atomically(etc / "profile.d/zz.sh", std::string("theirs"), 0644);
    fs::create_symlink("own.sh", etc / "profile.d/link.sh");
    fs::create_symlink("/nowhere", etc / "profile.d/gone.sh");
    for (int i = 0; i < layers; ++i) {
        const fs::path place = scratch / ("layer" + std::to_string(i));
        if (!has_overlay(place, etc, scratch / "none")) return 11;
        etc = place;
    }
    const fs::path place = scratch / "root";
    fs::create_directories(place);
    const slurm::Root root(place);
    root.file("/aloft/.etc/passwd", "ours");
    root.file("/aloft/.etc/profile.d/zz.sh", "ours");
    root.show_tree(etc, "/etc", root.inside("/aloft/.etc"));
    const auto text = [&](const char* name) {
        std::ifstream file(root.inside(std::string("/etc/") + name));
        std::string all;
        return std::getline(file, all) ? all : std::string();
    };
    if (text("passwd") != "ours" || text("profile.d/zz.sh") != "ours") return 1;
    if (text("profile.d/own.sh") != "own" || text("profile.d/link.sh") != "own") return 2;
    for (const char* name : {"passwd", "profile.d/own.sh", "profile.d/zz.sh", "profile.d/new"})
        if (::open(root.inside(std::string("/etc/") + name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >=
            0)
            return 3;
    return 0;
}

}  // namespace

TEST_CASE("files of ours stand beside the system's, also where no overlay can be laid over it") {
    if (::geteuid() != 0) {
        WARN("skipped: needs root");
        return;
    }
    const int layers = GENERATE(0, 2);  // the kernel lays no third
    const test::Scratch scratch;
    const pid_t child = ::fork();
    if (child == 0) {
        int code = 20;
        try {
            code = show_etc(scratch.path(), layers);
        } catch (const std::exception& e) {
            ::dprintf(2, "%s\n", e.what());
        }
        ::_exit(code);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CAPTURE(layers);
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("mounts below a folder are found, outermost first, and nothing beside it") {
    const char* text =
        "22 1 8:1 / / rw - ext4 /dev/sda rw\n"
        "30 22 0:40 / /opt/aloft/site\\040packages/deep ro shared:5 - nfs4 host:/x rw\n"
        "31 22 0:41 / /opt/aloft/site\\040packages ro shared:5 master:7 - nfs4 host:/x rw\n"
        "32 22 0:41 / /opt/aloft/site\\040packages ro - nfs4 host:/y rw\n"
        "33 22 0:42 / /opt/aloft-old rw - ext4 /dev/sdb rw\n"
        "34 22 0:43 / /opt/aloft rw - ext4 /dev/sdb rw\n"
        "35 22 0:44 / /opt/aloft/later rw - autofs systemd-1 rw\n";
    const std::vector<std::filesystem::path> wanted{"/opt/aloft/site packages",
                                                    "/opt/aloft/site packages/deep"};
    CHECK(slurm::mounts_below("/opt/aloft", text) == wanted);
    CHECK(slurm::mounts_below("/opt/aloft/later", text).empty());
}

TEST_CASE("a job's private folders together are smaller than its memory") {
    const std::uint64_t bytes =
        GENERATE(std::uint64_t{64} << 20, std::uint64_t{1} << 30, std::uint64_t{2} << 40);
    const auto shares = slurm::memory_shares(bytes, slurm::Part::step);
    CHECK(shares.shm + shares.tmp + shares.var_tmp < bytes);
    CHECK(shares.var_tmp > 0);
    CHECK(slurm::memory_shares(bytes, slurm::Part::batch).shm < 64u << 20);
}
