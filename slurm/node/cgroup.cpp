#include "slurm/node/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include "core/base/error.h"
#include "core/base/files.h"
#include "slurm/decide/policy.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

void put(const fs::path& file, const char* value) {
    if (const core::Fd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC)); fd.is_open())
        (void)!::write(fd.get(), value, 1);
}

// A line "KEY 1" in cgroup.events.
bool has_event(const fs::path& cgroup, const std::string& key) {
    std::ifstream events(cgroup / "cgroup.events");
    std::string name;
    for (int value = 0; events >> name >> value;)
        if (name == key) return value == 1;
    return false;
}

// Slurm's own place for a job: below the scope that its slurmstepds share, wherever systemd put that.
std::vector<fs::path> slurm_task_cgroups(std::uint32_t job) {
    const std::string name = "job_" + std::to_string(job);
    std::vector<fs::path> found;
    std::error_code none;
    for (auto at = fs::recursive_directory_iterator(cgroup_root(), none);
         at != fs::recursive_directory_iterator(); at.increment(none)) {
        if (at.depth() > 3) at.disable_recursion_pending();
        if (!at->is_directory(none) || at->path().filename() != name) continue;
        for (const auto& step : fs::directory_iterator(at->path(), none))
            if (fs::exists(step.path() / "user")) found.push_back(step.path() / "user");
    }
    return found;
}

}  // namespace

std::vector<fs::path> task_cgroups(std::uint32_t job) {
    if (is_pure_cgroup2()) return slurm_task_cgroups(job);
    std::vector<fs::path> found;
    for (const Part part : {Part::batch, Part::step})
        if (fs::exists(task_cgroup(job, part))) found.push_back(task_cgroup(job, part));
    return found;
}

bool freeze_cgroup(const fs::path& cgroup) {
    put(cgroup / "cgroup.freeze", "1");
    const auto end = steady_clock::now() + std::chrono::seconds(1);
    while (fs::exists(cgroup) && !has_event(cgroup, "frozen")) {
        if (steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}

void thaw_cgroup(const fs::path& cgroup) {
    put(cgroup / "cgroup.freeze", "0");
}

void kill_cgroup(const fs::path& cgroup) {
    put(cgroup / "cgroup.kill", "1");
}

void kill_users(const fs::path& cgroup) {
    std::ifstream list(cgroup / "cgroup.procs");
    for (pid_t process = 0; list >> process;) {
        struct stat owner {};
        if (process > 1 && ::stat(("/proc/" + std::to_string(process)).c_str(), &owner) == 0 && owner.st_uid)
            ::kill(process, SIGKILL);
    }
}

std::set<std::uint64_t> cgroup_ids(const fs::path& cgroup) {
    std::set<std::uint64_t> ids;
    struct stat status {};
    if (::stat(cgroup.c_str(), &status) == 0) ids.insert(status.st_ino);
    std::error_code none;
    for (const auto& child : fs::directory_iterator(cgroup, none))
        if (child.is_directory(none)) ids.merge(cgroup_ids(child.path()));
    return ids;
}

bool is_populated(const fs::path& cgroup) {
    return has_event(cgroup, "populated");
}

void remove_cgroup(const fs::path& cgroup) {
    const auto end = steady_clock::now() + std::chrono::seconds(10);
    while (fs::exists(cgroup)) {
        kill_cgroup(cgroup);
        std::error_code none;
        for (const auto& child : fs::directory_iterator(cgroup, none))
            if (child.is_directory(none)) remove_cgroup(child.path());
        if (::rmdir(cgroup.c_str()) == 0 || errno == ENOENT) return;
        if (steady_clock::now() > end)
            throw core::Error(core::Fault::system,
                              "processes of a job do not die: cgroup " + cgroup.string());
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

}  // namespace slurm
