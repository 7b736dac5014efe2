#include "slurm/step/confine.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "core/base/error.h"
#include "core/base/files.h"
#include "slurm/fence/fence_check.h"

namespace slurm {
namespace {

using core::Error;
using core::Fault;
using core::with_errno;

void must(int result, const char* doing) {
    if (result < 0) throw Error(Fault::system, with_errno(std::string("fence: cannot ") + doing, errno));
}

// libseccomp returns -errno instead.
void rule(int result) {
    if (result < 0) throw Error(Fault::system, with_errno("fence: cannot add a seccomp rule", -result));
}

// socket and socketpair: UNIX, INET, INET6, and of NETLINK the protocol that lists interfaces (ROUTE, 0).
void allow_families(scmp_filter_ctx filter, int call) {
    for (scmp_datum_t family = 0; family <= AF_NETLINK; ++family)
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6 && family != AF_NETLINK)
            rule(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), call, 1,
                                  SCMP_A0(SCMP_CMP_EQ, family)));
    rule(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), call, 1,
                          SCMP_A0(SCMP_CMP_GT, static_cast<scmp_datum_t>(AF_NETLINK))));
    rule(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), call, 2,
                          SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(AF_NETLINK)),
                          SCMP_A2(SCMP_CMP_NE, 0)));
}

// Options that make the kernel send by itself, past the packet rules: a group's address is reported to the
// network, 28 or 112 bits of the user's choice. And those that write into the headers of packets.
void forbid_options(scmp_filter_ctx filter) {
    constexpr std::pair<int, int> kOptions[] = {
        {IPPROTO_IP, IP_OPTIONS},          {IPPROTO_IP, IP_ADD_MEMBERSHIP},
        {IPPROTO_IP, IP_MSFILTER},         {IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP},
        {IPPROTO_IP, MCAST_JOIN_GROUP},    {IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP},
        {IPPROTO_IP, MCAST_MSFILTER},      {IPPROTO_IPV6, IPV6_JOIN_GROUP},
        {IPPROTO_IPV6, IPV6_JOIN_ANYCAST}, {IPPROTO_IPV6, MCAST_JOIN_GROUP},
        {IPPROTO_IPV6, MCAST_MSFILTER},    {IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP},
        {IPPROTO_IPV6, IPV6_HOPOPTS},      {IPPROTO_IPV6, IPV6_RTHDR},
        {IPPROTO_IPV6, IPV6_RTHDRDSTOPTS}, {IPPROTO_IPV6, IPV6_DSTOPTS}};
    constexpr scmp_datum_t kInt = 0xffffffff;  // the kernel looks at no more of the register
    for (const auto& [level, name] : kOptions)
        rule(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setsockopt), 2,
                              SCMP_A1(SCMP_CMP_MASKED_EQ, kInt, static_cast<scmp_datum_t>(level)),
                              SCMP_A2(SCMP_CMP_MASKED_EQ, kInt, static_cast<scmp_datum_t>(name))));
}

void enter_seccomp() {
    const std::unique_ptr<void, decltype(&seccomp_release)> owner(seccomp_init(SCMP_ACT_ALLOW),
                                                                  seccomp_release);
    const scmp_filter_ctx filter = owner.get();
    if (!filter) throw Error(Fault::system, "fence: cannot make a seccomp filter");
    allow_families(filter, SCMP_SYS(socket));
    allow_families(filter, SCMP_SYS(socketpair));
    forbid_options(filter);
    for (const int call :
         {// sockets and files by another door than the ones that are watched
          SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
          SCMP_SYS(open_by_handle_at),
          // namespaces and mounts
          SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root),
          SCMP_SYS(chroot), SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick),
          SCMP_SYS(open_tree), SCMP_SYS(move_mount), SCMP_SYS(mount_setattr),
          // memory of the kernel that outlives the job or is seen outside it
          SCMP_SYS(add_key), SCMP_SYS(keyctl), SCMP_SYS(request_key), SCMP_SYS(mq_open), SCMP_SYS(syslog),
          // the kernel's own machinery
          SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(fanotify_init),
          SCMP_SYS(kexec_load), SCMP_SYS(init_module), SCMP_SYS(finit_module)})
        rule(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0));
    for (const scmp_datum_t space : {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWIPC,
                                     CLONE_NEWUTS, CLONE_NEWCGROUP})
        rule(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, space, space)));
    // Its flags are in memory, out of seccomp's sight; without it the C library uses clone.
    rule(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0));
    rule(seccomp_load(filter));
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
    const std::unique_ptr<void, decltype(&seccomp_release)> owner(seccomp_init(SCMP_ACT_ALLOW),
                                                                  seccomp_release);
    if (!owner) throw Error(Fault::system, "fence: cannot make a seccomp filter");
    rule(seccomp_attr_set(owner.get(), SCMP_FLTATR_CTL_TSYNC, 1));  // slurmstepd has threads
    for (const int call : {SCMP_SYS(execve), SCMP_SYS(execveat)})
        rule(seccomp_rule_add(owner.get(), SCMP_ACT_ERRNO(EPERM), call, 0));
    rule(seccomp_load(owner.get()));
}

void restrict_task() {
    // Not 0: a handler behind a pipe in core_pattern runs with a limit of 0, but not with a limit of 1.
    const rlimit no_core{1, 1};
    must(::setrlimit(RLIMIT_CORE, &no_core), "forbid core dumps");
    must(static_cast<int>(::syscall(SYS_close_range, 3, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */)),
         "close descriptors");
    must(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "give up privileges for good");
    enter_seccomp();
}

}  // namespace slurm
