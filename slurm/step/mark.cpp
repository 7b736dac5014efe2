#include "slurm/step/mark.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "core/base/error.h"
#include "core/base/files.h"

namespace slurm {
namespace {

[[noreturn]] void outside(const std::string& what) {
    throw core::Error(core::Fault::refused,
                      "this node started the job outside the fence (" + what +
                          "; is aloft_fence.so in its plugstack.conf?). Tell the admin");
}

std::string text_of(const core::Fd& file) {
    std::string text(256, '\0');
    const ssize_t got = ::read(file.get(), text.data(), text.size());
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return text;
}

// The root itself is the plugin's: a tmpfs that can no longer be written, with the mark in it.
void require_view(std::uint32_t job, Part part) {
    const core::Fd file(::open(kMark, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file.is_open()) outside("no view");
    struct stat mark {
    }, root{};
    struct statfs kind {};
    struct statvfs flags {};
    if (::fstat(file.get(), &mark) || ::stat("/", &root) || ::statfs("/", &kind) || ::statvfs("/", &flags))
        outside("its view cannot be looked at");
    if (!S_ISREG(mark.st_mode) || mark.st_uid != 0 || mark.st_dev != root.st_dev || root.st_uid != 0 ||
        kind.f_type != TMPFS_MAGIC)
        outside("another view");
    if (!(flags.f_flag & ST_RDONLY)) outside("a view that is not sealed");
    if (text_of(file) != mark_text(job, part)) outside("the view of another job");
}

// Where cgroup2 lies beside version 1, the fence's programs are on a cgroup of ours, which only root can put
// a process into. On a pure version 2 the plugin had Slurm's own fenced, and saw to it itself.
void require_cgroup(std::uint32_t job, Part part) {
    std::ifstream file("/proc/self/cgroup");
    bool has_version_1 = false;
    std::string line, own;
    while (std::getline(file, line)) {
        if (line.starts_with("0::"))
            own = line.substr(3);
        else
            has_version_1 = true;
    }
    if (own.empty()) outside("no cgroup");
    const std::string wanted =
        "/aloft/job_" + std::to_string(job) + (part == Part::batch ? "/batch/tasks" : "/step/tasks");
    if (has_version_1 && !own.ends_with(wanted)) outside("another cgroup");
}

// Two answers that only our filter gives: neither call does anything with these arguments.
void require_filter() {
    if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || ::prctl(PR_GET_SECCOMP) != SECCOMP_MODE_FILTER)
        outside("no seccomp filter");
    if (::syscall(SYS_unshare, 0) != -1 || errno != EPERM) outside("another seccomp filter");
    if (::syscall(SYS_clone3, nullptr, 0) != -1 || errno != ENOSYS) outside("another seccomp filter");
    rlimit core{};
    if (::getrlimit(RLIMIT_CORE, &core) || core.rlim_max != 1) outside("core dumps are allowed");
}

}  // namespace

std::string mark_text(std::uint32_t job, Part part) {
    return "aloft " ALOFT_VERSION " job " + std::to_string(job) +
           (part == Part::batch ? " batch\n" : " step\n");
}

void require_mark(std::uint32_t job, Part part) {
    require_view(job, part);
    require_cgroup(job, part);
    require_filter();
}

}  // namespace slurm
