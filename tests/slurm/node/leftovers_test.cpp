#include "slurm/node/leftovers.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <set>

#include "core/base/files.h"
#include "core/ledger/spool.h"
#include "support/scratch.h"

namespace fs = std::filesystem;

namespace {

// What slurmd's spool holds after a killed slurmstepd of job 17, and beside it.
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

}  // namespace

TEST_CASE("remove_leftovers takes one job's files and nobody else's") {
    const test::Scratch spool;
    const std::vector<std::string> others = {"cred_state", "job00017", "hwloc_topo_whole.xml"};
    fill(spool.path(), of_job("17.0"), std::chrono::seconds(0));
    fill(spool.path(), of_job("17.4294967291"), std::chrono::seconds(0));
    fill(spool.path(), of_job("170.0"), std::chrono::seconds(0));
    fill(spool.path(), others, std::chrono::seconds(0));
    slurm::remove_leftovers(spool.path(), 17);
    std::set<std::string> expected(others.begin(), others.end());
    for (const std::string& name : of_job("170.0")) expected.insert(name);
    CHECK(names_in(spool.path()) == expected);
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
