#include "slurm/step/calls.h"

#include <linux/in6.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>

#include "core/base/error.h"
#include "core/base/files.h"

namespace slurm {
namespace {

using core::Error;
using core::Fault;
using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

constexpr int kOtherDoors[] = {SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
                               SCMP_SYS(io_uring_register), SCMP_SYS(open_by_handle_at)};
constexpr int kNamespaces[] = {SCMP_SYS(setns),        SCMP_SYS(unshare),    SCMP_SYS(mount),
                               SCMP_SYS(umount2),      SCMP_SYS(pivot_root), SCMP_SYS(chroot),
                               SCMP_SYS(fsopen),       SCMP_SYS(fsconfig),   SCMP_SYS(fsmount),
                               SCMP_SYS(fspick),       SCMP_SYS(open_tree),  SCMP_SYS(move_mount),
                               SCMP_SYS(mount_setattr)};
constexpr int kKernelMemory[] = {SCMP_SYS(add_key), SCMP_SYS(keyctl), SCMP_SYS(request_key),
                                 SCMP_SYS(mq_open), SCMP_SYS(mq_unlink)};
constexpr int kKernelLog[] = {SCMP_SYS(syslog), SCMP_SYS(remap_file_pages)};
constexpr int kMachinery[] = {
    SCMP_SYS(bpf),           SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd),     SCMP_SYS(fanotify_init),
    SCMP_SYS(fanotify_mark), SCMP_SYS(kexec_load),      SCMP_SYS(kexec_file_load), SCMP_SYS(init_module),
    SCMP_SYS(finit_module),  SCMP_SYS(delete_module)};
constexpr int kUnseen[] = {SCMP_SYS(clone3)};

constexpr CallGroup kGroups[] = {
    {"sockets and files by another door than the ones that are watched", EPERM, kOtherDoors},
    {"namespaces and mounts", EPERM, kNamespaces},
    {"memory of the kernel that outlives the job or is seen outside it", EPERM, kKernelMemory},
    {"lines of the kernel's log, with the name of the process in them", EPERM, kKernelLog},
    {"the kernel's own machinery", EPERM, kMachinery},
    {"its flags are in memory, out of seccomp's sight; without it the C library uses clone", ENOSYS, kUnseen},
};

constexpr const char* kSends =
    "the kernel sends by itself, past the packet rules: a group's address is reported to "
    "the network, 28 or 112 bits of the user's choice";
constexpr const char* kHeaders = "it writes into the headers of packets";
constexpr const char* kInterface =
    "it chooses the interface, so that a packet for this host itself is put on a cable";
constexpr const char* kForeign = "it lends a socket an address that is not this host's";
constexpr const char* kLabels = "labels are a table of the host's kernel, which other accounts read";

constexpr ForbiddenOption kOptions[] = {
    {IPPROTO_IP, IP_ADD_MEMBERSHIP, kSends},
    {IPPROTO_IP, IP_MSFILTER, kSends},
    {IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, kSends},
    {IPPROTO_IP, MCAST_JOIN_GROUP, kSends},
    {IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, kSends},
    {IPPROTO_IP, MCAST_MSFILTER, kSends},
    {IPPROTO_IPV6, IPV6_JOIN_GROUP, kSends},
    {IPPROTO_IPV6, IPV6_JOIN_ANYCAST, kSends},
    {IPPROTO_IPV6, MCAST_JOIN_GROUP, kSends},
    {IPPROTO_IPV6, MCAST_MSFILTER, kSends},
    {IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, kSends},
    {IPPROTO_IP, IP_OPTIONS, kHeaders},
    {IPPROTO_IPV6, IPV6_HOPOPTS, kHeaders},
    {IPPROTO_IPV6, IPV6_RTHDR, kHeaders},
    {IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, kHeaders},
    {IPPROTO_IPV6, IPV6_DSTOPTS, kHeaders},
    {IPPROTO_IPV6, 6 /* IPV6_2292PKTOPTIONS */, kHeaders},
    {SOL_SOCKET, SO_BINDTODEVICE, kInterface},
    {SOL_SOCKET, SO_BINDTOIFINDEX, kInterface},
    {IPPROTO_IP, IP_UNICAST_IF, kInterface},
    {IPPROTO_IP, IP_MULTICAST_IF, kInterface},
    {IPPROTO_IPV6, IPV6_UNICAST_IF, kInterface},
    {IPPROTO_IPV6, IPV6_MULTICAST_IF, kInterface},
    {IPPROTO_IPV6, IPV6_PKTINFO, kInterface},
    {IPPROTO_IP, IP_TRANSPARENT, kForeign},
    {IPPROTO_IP, IP_FREEBIND, kForeign},
    {IPPROTO_IPV6, IPV6_TRANSPARENT, kForeign},
    {IPPROTO_IPV6, 78 /* IPV6_FREEBIND */, kForeign},
    {IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, kLabels},
};

// libseccomp returns -errno.
void rule(int result) {
    if (result < 0) throw Error(Fault::system, core::with_errno("fence: cannot add a seccomp rule", -result));
}

// The kernel looks at no more of these registers than an int, and so must the filter.
constexpr scmp_datum_t kInt = 0xffffffff;

scmp_arg_cmp is(unsigned argument, scmp_datum_t value, scmp_datum_t mask = kInt) {
    return {argument, SCMP_CMP_MASKED_EQ, mask, value};
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

Filter make_filter() {
    Filter owner(seccomp_init(SCMP_ACT_ALLOW), seccomp_release);
    const scmp_filter_ctx filter = owner.get();
    if (!filter) throw Error(Fault::system, "fence: cannot make a seccomp filter");
    // Calls of another kind (32 bit by int 0x80, x32) end the process: no program here needs them.
    rule(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS));
    allow_families(filter, SCMP_SYS(socket));
    allow_families(filter, SCMP_SYS(socketpair));
    for (const ForbiddenOption& one : kOptions)
        rule(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setsockopt), 2,
                              is(1, static_cast<scmp_datum_t>(one.level)),
                              is(2, static_cast<scmp_datum_t>(one.name))));
    for (const CallGroup& group : kGroups)
        for (const int call : group.calls)
            rule(seccomp_rule_add(filter, SCMP_ACT_ERRNO(static_cast<unsigned>(group.error)), call, 0));
    for (const scmp_datum_t space : {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWIPC,
                                     CLONE_NEWUTS, CLONE_NEWCGROUP})
        rule(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, space, space)));
    // FUTEX_WAKE_OP with its shift bit: out of range, it is a line of the kernel's log with the process's
    // name.
    rule(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(futex), 2, is(1, 5, 0x7f),
                          is(5, 0x80000000, 0x80000000)));
    for (int call = kNewestCall + 1; call <= kLastNumber; ++call)
        rule(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0));
    return owner;
}

}  // namespace

std::span<const CallGroup> forbidden_calls() {
    return kGroups;
}

std::span<const ForbiddenOption> forbidden_options() {
    return kOptions;
}

std::vector<sock_filter> task_filter() {
    const core::Fd file(::memfd_create("filter", MFD_CLOEXEC));
    if (!file.is_open()) throw Error(Fault::system, core::with_errno("fence: cannot make a file", errno));
    rule(seccomp_export_bpf(make_filter().get(), file.get()));
    const off_t size = ::lseek(file.get(), 0, SEEK_END);
    std::vector<sock_filter> program(static_cast<std::size_t>(size) / sizeof(sock_filter));
    if (::pread(file.get(), program.data(), static_cast<std::size_t>(size), 0) != size)
        throw Error(Fault::system, core::with_errno("fence: cannot read the filter", errno));
    return program;
}

void load_task_filter() {
    rule(seccomp_load(make_filter().get()));
}

}  // namespace slurm
