#include "slurm/node/leftovers.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <set>
#include <string>
#include <string_view>

#include "core/base/event.h"
#include "core/base/files.h"
#include "core/ledger/spool.h"
#include "slurm/node/cgroup.h"
#include "slurm/node/end.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;

constexpr id_t kNobody = 65534;  // the files are the user's; no group is needed to remove them

// The job that a file in slurmd's spool belongs to, as Slurm 22.05 names them (JOB.STEP behind one of these);
// 0 if none.
std::uint32_t owner(std::string_view name) {
    const std::array<std::string, 4> prefixes = {"stepd.slurm.pmix.", "pmix.", "hwloc_topo_",
                                                 core::short_host_name() + "_"};
    for (const std::string& prefix : prefixes)
        if (name.starts_with(prefix)) {
            const auto rest = name.substr(prefix.size());
            const auto dot = rest.find('.');
            return dot == std::string_view::npos ? 0 : job_number(rest.substr(0, dot));
        }
    return 0;
}

std::vector<fs::path> entries(const fs::path& folder) {
    std::error_code none;
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(folder, none)) paths.push_back(entry.path());
    return paths;
}

// From the leaves up; the kernel keeps those that hold a process.
void remove_empty_cgroups(const fs::path& cgroup) {
    std::error_code none;
    for (const fs::path& path : entries(cgroup))
        if (fs::is_directory(fs::symlink_status(path, none))) remove_empty_cgroups(path);
    ::rmdir(cgroup.c_str());
}

void remove_slurm_cgroups(std::uint32_t job) {
    const std::string name = "job_" + std::to_string(job);
    for (const fs::path& controller : entries("/sys/fs/cgroup"))
        for (const fs::path& slurm : entries(controller)) {
            if (!slurm.filename().string().starts_with("slurm")) continue;
            for (const fs::path& user : entries(slurm)) {
                std::error_code none;
                if (!user.filename().string().starts_with("uid_") || !fs::exists(user / name, none)) continue;
                remove_empty_cgroups(user / name);
                ::rmdir(user.c_str());  // if it was the user's last
            }
        }
}

// Anybody's process may call itself so; slurmstepd keeps the real number of root where it acts as the user.
bool is_root(const fs::path& process) {
    std::ifstream file(process / "status");
    for (std::string word; file >> word;)
        if (word == "Uid:") return file >> word && word == "0";
    return false;
}

// It writes "slurmstepd: [17.0]" over its arguments.
bool has_slurmstepd(std::uint32_t job) {
    const std::string title = "slurmstepd: [" + std::to_string(job) + ".";
    for (const fs::path& process : entries("/proc")) {
        if (!job_number(process.filename().string())) continue;
        std::string line;
        std::ifstream file(process / "cmdline");
        std::getline(file, line, '\0');
        if (line.starts_with(title) && is_root(process)) return true;
    }
    return false;
}

}  // namespace

void remove_leftovers(const fs::path& spool, std::uint32_t job) {
    if (is_populated(job_cgroup(job)) || has_slurmstepd(job)) return;
    std::error_code none;
    for (const fs::path& path : entries(spool))
        if (owner(path.filename().string()) == job) fs::remove_all(path, none);
    if (!is_pure_cgroup2()) remove_slurm_cgroups(job);
}

std::vector<std::uint32_t> jobs_with_leftovers(const fs::path& spool) {
    std::set<std::uint32_t> jobs, young;
    for (const fs::path& path : entries(spool))
        if (const auto job = owner(path.filename().string())) (is_young(path) ? young : jobs).insert(job);
    for (const std::uint32_t job : young) jobs.erase(job);
    return {jobs.begin(), jobs.end()};
}

void remove_marks(const Policy& policy) {
    if (policy.workspace.empty()) return;
    const core::Fd workspace(
        ::open(policy.workspace.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    const std::string name = ".aloft-job-" + std::to_string(policy.job);
    if (!workspace.is_open() || ::faccessat(workspace.get(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW)) return;
    const pid_t child = ::fork();
    if (child == 0) {
        std::error_code failed;
        if (::fchdir(workspace.get()) == 0 && ::setgroups(0, nullptr) == 0 &&
            ::setresgid(kNobody, kNobody, kNobody) == 0 &&
            ::setresuid(policy.uid, policy.uid, policy.uid) == 0)
            fs::remove_all(name, failed);
        ::_exit(0);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child)
        core::Event("warning", "marks_not_removed").with("job", policy.job);
}

}  // namespace slurm
