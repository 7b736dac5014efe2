#include "slurm/step/confine.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/files.h"
#include "slurm/fence/fence_check.h"
#include "slurm/step/calls.h"
#include "slurm/step/must.h"

namespace slurm {
namespace {

using core::Error;
using core::Fault;
using core::with_errno;

// libseccomp returns -errno instead.
void rule(int result) {
    if (result < 0) throw Error(Fault::system, with_errno("fence: cannot add a seccomp rule", -result));
}

// {system call, what becomes of it}, for all of slurmstepd's threads.
void forbid(const std::vector<std::pair<int, std::uint32_t>>& calls) {
    const std::unique_ptr<void, decltype(&seccomp_release)> owner(seccomp_init(SCMP_ACT_ALLOW),
                                                                  seccomp_release);
    if (!owner) throw Error(Fault::system, "fence: cannot make a seccomp filter");
    rule(seccomp_attr_set(owner.get(), SCMP_FLTATR_CTL_TSYNC, 1));
    for (const auto& [call, action] : calls) rule(seccomp_rule_add(owner.get(), action, call, 0));
    rule(seccomp_load(owner.get()));
}

// Not 0: a handler behind a pipe in core_pattern runs with a limit of 0, but not with a limit of 1.
void forbid_core_dumps() {
    const rlimit no_core{1, 1};
    must(::setrlimit(RLIMIT_CORE, &no_core), "forbid core dumps");
}

}  // namespace

void join_cgroup(const std::filesystem::path& cgroup) {
    const core::Fd procs(::open((cgroup / "cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    must(procs.get(), "open the job's cgroup");
    core::write_all(procs.get(), core::view(std::to_string(::getpid())));
}

void enter_cgroup(const std::filesystem::path& cgroup) {
    const core::Fd folder(::open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    must(folder.get(), "open the job's cgroup");
    require_fence(folder.get());
    join_cgroup(cgroup);
}

int landlock_abi() noexcept {
    const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < 0 ? 0 : static_cast<int>(abi);
}

void enter_landlock_scope() {
    // struct landlock_ruleset_attr of Linux 6.12; Debian 12's header has only the first field.
    struct {
        std::uint64_t handled_access_fs = 0, handled_access_net = 0;
        std::uint64_t scoped = 1 | 2;  // LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL
    } ruleset;
    const core::Fd fd(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &ruleset, sizeof ruleset, 0)));
    must(fd.get(), "make a Landlock scope (Linux 6.12 or later?)");
    must(static_cast<int>(::syscall(SYS_landlock_restrict_self, fd.get(), 0)), "enter a Landlock scope");
}

void forbid_programs() {
    forbid({{SCMP_SYS(execve), SCMP_ACT_ERRNO(EPERM)}, {SCMP_SYS(execveat), SCMP_ACT_ERRNO(EPERM)}});
}

void end_extern_step() {
    forbid_core_dumps();
    forbid({{SCMP_SYS(accept), SCMP_ACT_ERRNO(EPERM)},
            {SCMP_SYS(accept4), SCMP_ACT_ERRNO(EPERM)},
            {SCMP_SYS(execve), SCMP_ACT_KILL_PROCESS},
            {SCMP_SYS(execveat), SCMP_ACT_KILL_PROCESS}});
}

void restrict_task() {
    forbid_core_dumps();
    must(static_cast<int>(::syscall(SYS_close_range, 3, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */)),
         "close descriptors");
    must(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "give up privileges for good");
    load_task_filter();
}

}  // namespace slurm
