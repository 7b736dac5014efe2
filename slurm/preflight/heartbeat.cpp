#include "slurm/preflight/heartbeat.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "core/base/error.h"
#include "core/base/wait.h"

namespace slurm {
namespace {

using core::Error;
using core::Fault;
using std::chrono::milliseconds;

constexpr std::int64_t kBeatSeconds = 60;  // without a round for so long an agent hangs

core::Fd open_lock(const core::Site& site, int flags) {
    return core::Fd(::open((site.run / "agent").c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600));
}

bool holds_and_beats(const core::Site& site) {
    const core::Fd lock = open_lock(site, O_RDONLY);
    if (!lock.is_open() || ::flock(lock.get(), LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return false;
    char text[32] = {};
    if (::pread(lock.get(), text, sizeof text - 1, 0) <= 0) return false;
    return boot_seconds() - std::atoll(text) <= kBeatSeconds;
}

}  // namespace

std::int64_t boot_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec;
}

bool has_agent(const core::Site& site, milliseconds patience) {
    return core::wait_until(patience, milliseconds(100), [&] { return holds_and_beats(site); });
}

Heartbeat::Heartbeat(const core::Site& site) {
    make_run_folder(site);
    lock_ = open_lock(site, O_RDWR | O_CREAT);
    if (!lock_.is_open()) throw Error(Fault::system, core::with_errno("cannot open the agent's lock", errno));
    // Prolog's own look holds the lock for an instant.
    if (!core::wait_until(milliseconds(1000), milliseconds(20),
                          [&] { return ::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0; }))
        throw Error(Fault::usage, "an agent runs on this node already");
}

void Heartbeat::beat() {
    const std::string now = std::to_string(boot_seconds()) + "\n";
    if (::pwrite(lock_.get(), now.data(), now.size(), 0) != static_cast<ssize_t>(now.size()))
        throw Error(Fault::system, core::with_errno("cannot write the agent's beat", errno));
}

void make_run_folder(const core::Site& site) {
    core::make_directories(site.run, 0755);
    core::make_directories(site.run / "jobs", 0700);
    struct statfs kind {};
    if (::statfs(site.run.c_str(), &kind) || (kind.f_type != TMPFS_MAGIC && kind.f_type != RAMFS_MAGIC))
        throw Error(Fault::system, site.run.string() + " is not on a tmpfs; keys must not reach a disk");
    struct stat owner {};
    if (::lstat(site.run.c_str(), &owner) || !S_ISDIR(owner.st_mode) || owner.st_uid != ::geteuid() ||
        (owner.st_mode & 022))
        throw Error(
            Fault::system,
            site.run.string() + " is not a folder of root's alone; another account could lay policies in it");
    if (::chmod((site.run / "jobs").c_str(), 0700))
        throw Error(Fault::system, core::with_errno("cannot close the run folder", errno));
}

}  // namespace slurm
