#include "slurm/session/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <string>

#include "core/base/error.h"
#include "core/base/files.h"
#include "slurm/decide/policy.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;
using std::chrono::steady_clock;

constexpr const char* kPrefix = "session_";

fs::path place() {
    return cgroup_root() / "aloft";
}

// Two sessions that begin at once: neither removes the other's, which is empty still.
core::Fd lock_sessions() {
    core::make_directories(place(), 0755);
    core::Fd lock(::open(place().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock.is_open() || ::flock(lock.get(), LOCK_EX))
        throw Error(Fault::system, core::with_errno("cannot lock the sessions of this host", errno));
    return lock;
}

// From the deepest up. A cgroup with a process in it stays.
void remove_empty(const fs::path& folder) {
    std::error_code none;
    for (const auto& child : fs::directory_iterator(folder, none))
        if (child.is_directory(none)) remove_empty(child.path());
    ::rmdir(folder.c_str());
}

pid_t owner_of(const fs::path& folder) {
    const std::string name = folder.filename().string();
    return static_cast<pid_t>(std::atol(name.substr(name.rfind('_') + 1).c_str()));
}

void remove_stale() {
    std::error_code none;
    for (const auto& one : fs::directory_iterator(place(), none))
        if (one.path().filename().string().starts_with(kPrefix) && ::kill(owner_of(one.path()), 0) &&
            errno == ESRCH)
            remove_empty(one.path());
}

void kill_all(const fs::path& folder) noexcept {
    const core::Fd file(::open((folder / "cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC));
    if (file.is_open()) (void)!::write(file.get(), "1", 1);
}

}  // namespace

SessionCgroup::SessionCgroup(uid_t uid)
    : folder_(place() / (kPrefix + std::to_string(uid) + "_" + std::to_string(::getpid()))) {
    const core::Fd lock = lock_sessions();
    remove_stale();
    if (fs::exists(folder_)) remove();  // of an earlier process with this number
    core::make_directories(fenced(), 0755);
}

SessionCgroup::~SessionCgroup() {
    try {
        remove();
    } catch (...) {  // empty, it is removed by the next session; else its processes stay fenced
    }
}

void SessionCgroup::signal(int number) const noexcept {
    try {
        std::ifstream list(fenced() / "cgroup.procs");
        for (pid_t process = 0; list >> process;) {
            struct stat owner {};
            if (process > 1 && ::stat(("/proc/" + std::to_string(process)).c_str(), &owner) == 0 &&
                owner.st_uid != 0)
                ::kill(process, number);
        }
    } catch (...) {  // they are killed a moment later
    }
}

void SessionCgroup::remove() const {
    const auto end = steady_clock::now() + std::chrono::seconds(10);
    while (fs::exists(folder_)) {
        kill_all(folder_);
        remove_empty(folder_);
        if (!fs::exists(folder_)) return;
        if (steady_clock::now() > end) throw Error(Fault::system, "processes of the session do not die");
        ::usleep(20'000);
    }
}

}  // namespace slurm
