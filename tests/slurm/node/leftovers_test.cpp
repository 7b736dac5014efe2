#include "slurm/node/leftovers.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <fstream>
#include <set>

#include "core/base/files.h"
#include "core/ledger/spool.h"
#include "support/scratch.h"

namespace fs = std::filesystem;

namespace {

// Numbers that no job of a cluster on this machine has.
constexpr std::uint32_t kJob = 60'000'017, kOther = 60'000'018;

std::string step_of(std::uint32_t job, const std::string& step = "0") {
    return std::to_string(job) + "." + step;
}

// What slurmd's spool holds after a killed slurmstepd of a step, and beside it.
std::vector<std::string> of_job(const std::string& step) {
    return {"stepd.slurm.pmix." + step, "pmix." + step, "hwloc_topo_" + step + ".xml",
            core::short_host_name() + "_" + step};
}

void fill(const fs::path& spool, const std::vector<std::string>& names, std::chrono::seconds age) {
    for (const std::string& name : names) {
        if (name.starts_with("pmix."))
            core::make_directories(spool / name / "pmix_dstor", 0755);
        else
            core::write_atomically(spool / name, "x", 0600);
        fs::last_write_time(spool / name, fs::file_time_type::clock::now() - age);
    }
}

std::set<std::string> names_in(const fs::path& spool) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(spool)) names.insert(entry.path().filename().string());
    return names;
}

// A process that calls itself as slurmstepd does, until it is ended.
struct Slurmstepd {
    explicit Slurmstepd(const std::string& step, uid_t account = 0) {
        const std::string title = "slurmstepd: [" + step + "]";
        pid = ::fork();
        if (pid == 0) {
            if (account && ::setuid(account)) ::_exit(1);
            ::execl("/usr/bin/sleep", title.c_str(), "600", nullptr);
            ::_exit(1);
        }
        std::string begun;
        while (!begun.starts_with(title)) {
            REQUIRE(::waitpid(pid, nullptr, WNOHANG) == 0);
            std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline");
            std::getline(file, begun, '\0');
        }
    }
    ~Slurmstepd() {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
    Slurmstepd(const Slurmstepd&) = delete;
    Slurmstepd& operator=(const Slurmstepd&) = delete;
    pid_t pid = 0;
};

}  // namespace

TEST_CASE("remove_leftovers takes one job's files and nobody else's") {
    const test::Scratch spool;
    const std::vector<std::string> others = {"cred_state", "job00017", "hwloc_topo_whole.xml"};
    const auto longer = of_job(std::to_string(kJob) + "0.0");
    fill(spool.path(), of_job(step_of(kJob)), std::chrono::seconds(0));
    fill(spool.path(), of_job(step_of(kJob, "4294967291")), std::chrono::seconds(0));
    fill(spool.path(), longer, std::chrono::seconds(0));
    fill(spool.path(), others, std::chrono::seconds(0));
    slurm::remove_leftovers(spool.path(), kJob);
    std::set<std::string> expected(others.begin(), others.end());
    expected.insert(longer.begin(), longer.end());
    CHECK(names_in(spool.path()) == expected);
}

TEST_CASE("remove_leftovers takes nothing of a job that a slurmstepd works for") {
    if (::geteuid() != 0) {
        WARN("slurmstepd is root's: skipped");
        return;
    }
    const test::Scratch spool;
    fill(spool.path(), of_job(step_of(kJob)), std::chrono::seconds(60));
    fill(spool.path(), of_job(step_of(kOther)), std::chrono::seconds(60));
    const auto all = names_in(spool.path());
    {
        const Slurmstepd one(step_of(kJob, "batch"));
        slurm::remove_leftovers(spool.path(), kJob);
        CHECK(names_in(spool.path()) == all);
        slurm::remove_leftovers(spool.path(), kOther);
        CHECK(names_in(spool.path()).size() == all.size() / 2);
    }
    const Slurmstepd anybody(step_of(kJob, "batch"), 65534);  // who calls himself so
    slurm::remove_leftovers(spool.path(), kJob);
    CHECK(names_in(spool.path()).empty());
}

TEST_CASE("jobs_with_leftovers leaves out a job whose step may be beginning") {
    const test::Scratch spool;
    fill(spool.path(), of_job("17.0"), std::chrono::seconds(60));
    fill(spool.path(), of_job("18.0"), std::chrono::seconds(60));
    fill(spool.path(), {"hwloc_topo_18.1.xml"}, std::chrono::seconds(0));
    fill(spool.path(), {"cred_state", "hwloc_topo_whole.xml"}, std::chrono::seconds(60));
    CHECK(slurm::jobs_with_leftovers(spool.path()) == std::vector<std::uint32_t>{17});
}

TEST_CASE("remove_marks does not follow a link that lies in the folder's place") {
    const test::Scratch workspace;
    core::make_directories(workspace.path() / "kept", 0777);
    core::write_atomically(workspace.path() / "kept" / "file", "x", 0666);
    slurm::Policy policy;
    policy.job = 17;
    policy.uid = ::getuid();
    policy.workspace = workspace.path();
    fs::create_directory_symlink("kept", workspace.path() / ".aloft-job-17");
    slurm::remove_marks(policy);
    CHECK(fs::exists(workspace.path() / "kept" / "file"));
    // Only root becomes the user; anybody else removes nothing.
    CHECK(fs::is_symlink(fs::symlink_status(workspace.path() / ".aloft-job-17")) == (::getuid() != 0));
}
