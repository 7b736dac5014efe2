#include "slurm/node/cgroup.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "slurm/decide/policy.h"

namespace {

namespace fs = std::filesystem;

// A cgroup with one below it, and a process in there that waits for its end.
struct Group {
    fs::path path = slurm::cgroup_root() / ("aloft-test-" + std::to_string(::getpid()));
    pid_t process = -1;

    bool make() {
        std::error_code failed;
        fs::create_directories(path / "tasks", failed);
        if (failed) return false;
        process = ::fork();
        if (process == 0)
            for (;;) ::pause();
        std::ofstream(path / "tasks" / "cgroup.procs") << process << std::flush;
        return slurm::is_populated(path);
    }
    ~Group() {
        if (process > 0) {
            ::kill(process, SIGKILL);
            ::waitpid(process, nullptr, 0);
        }
        std::error_code none;
        for (const fs::path& one : {path / "tasks", path}) ::rmdir(one.c_str());
    }
    int wait_status() {
        int status = 0;
        ::waitpid(process, &status, 0);
        process = -1;
        return status;
    }
};

}  // namespace

TEST_CASE("what is frozen is killed without being thawed") {
    Group group;
    if (!group.make()) {
        WARN("skipped: needs root and a cgroup v2 that can be written");
        return;
    }
    CHECK(slurm::freeze_cgroup(group.path));
    slurm::kill_cgroup(group.path / "tasks");
    const int status = group.wait_status();
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGKILL);
    CHECK_FALSE(slurm::is_populated(group.path));
    slurm::remove_cgroup(group.path);
    CHECK_FALSE(fs::exists(group.path));
}

TEST_CASE("root's processes are not users'") {
    Group group;
    if (!group.make()) {
        WARN("skipped: needs root and a cgroup v2 that can be written");
        return;
    }
    slurm::kill_users(group.path / "tasks");
    CHECK(::waitpid(group.process, nullptr, WNOHANG) == 0);
    CHECK(slurm::is_populated(group.path));
}

TEST_CASE("a cgroup that is not there is no failure") {
    const auto nowhere = slurm::cgroup_root() / "aloft-test-nowhere";
    CHECK(slurm::freeze_cgroup(nowhere));
    slurm::kill_cgroup(nowhere);
    slurm::kill_users(nowhere);
    CHECK_FALSE(slurm::is_populated(nowhere));
    CHECK_NOTHROW(slurm::remove_cgroup(nowhere));
    CHECK(slurm::task_cgroups(4'000'000'000u).empty());
}
