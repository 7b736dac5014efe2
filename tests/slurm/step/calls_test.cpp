#include "slurm/step/calls.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <set>

// The filter, run by an interpreter of classic BPF: every system call of every kind, and what becomes of it.

namespace {

constexpr std::uint32_t kAllow = SECCOMP_RET_ALLOW;
std::uint32_t fails(int error) {
    return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error);
}

// As in the kernel (net/core/filter.c), for the instructions that seccomp accepts.
std::uint32_t evaluate(const std::vector<sock_filter>& program, const seccomp_data& data) {
    std::uint32_t a = 0, x = 0;
    std::array<std::uint32_t, BPF_MEMWORDS> memory{};
    for (std::size_t at = 0; at < program.size(); ++at) {
        const sock_filter& one = program[at];
        const std::uint32_t operand = BPF_SRC(one.code) == BPF_X ? x : one.k;
        switch (BPF_CLASS(one.code)) {
            case BPF_LD:
                if (BPF_MODE(one.code) == BPF_ABS) {
                    if (one.k % 4 || one.k >= sizeof data) FAIL("a load outside the call");
                    std::memcpy(&a, reinterpret_cast<const char*>(&data) + one.k, 4);
                } else {
                    a = BPF_MODE(one.code) == BPF_MEM ? memory.at(one.k) : one.k;
                }
                break;
            case BPF_LDX:
                x = BPF_MODE(one.code) == BPF_MEM ? memory.at(one.k) : one.k;
                break;
            case BPF_ST:
                memory.at(one.k) = a;
                break;
            case BPF_STX:
                memory.at(one.k) = x;
                break;
            case BPF_ALU:
                switch (BPF_OP(one.code)) {
                    case BPF_AND:
                        a &= operand;
                        break;
                    case BPF_OR:
                        a |= operand;
                        break;
                    case BPF_ADD:
                        a += operand;
                        break;
                    case BPF_SUB:
                        a -= operand;
                        break;
                    default:
                        FAIL("an operation that libseccomp does not use");
                }
                break;
            case BPF_MISC:
                BPF_MISCOP(one.code) == BPF_TAX ? x = a : a = x;
                break;
            case BPF_JMP: {
                if (BPF_OP(one.code) == BPF_JA) {
                    at += one.k;
                    break;
                }
                const bool is_so = BPF_OP(one.code) == BPF_JEQ   ? a == operand
                                   : BPF_OP(one.code) == BPF_JGT ? a > operand
                                   : BPF_OP(one.code) == BPF_JGE ? a >= operand
                                                                 : (a & operand) != 0;
                at += is_so ? one.jt : one.jf;
                break;
            }
            case BPF_RET:
                return BPF_RVAL(one.code) == BPF_A ? a : one.k;
        }
    }
    FAIL("the program ran off its end");
    return 0;
}

using Arguments = std::array<std::uint64_t, 6>;

std::uint32_t becomes(long call, Arguments arguments = {}, std::uint32_t kind = AUDIT_ARCH_X86_64) {
    static const std::vector<sock_filter> program = slurm::task_filter();
    seccomp_data data{};
    data.nr = static_cast<int>(call);
    data.arch = kind;
    std::copy(arguments.begin(), arguments.end(), data.args);
    return evaluate(program, data);
}

// What is written above the half of a register that the kernel looks at must not matter.
constexpr std::uint64_t kAbove[] = {0, std::uint64_t{1} << 32, std::uint64_t{0xffffffff} << 32};

}  // namespace

// Each call that does not simply pass, by its number on x86-64; the arguments are zeros.
const std::map<long, int> kForbidden = {{SYS_io_uring_setup, EPERM},
                                        {SYS_io_uring_enter, EPERM},
                                        {SYS_io_uring_register, EPERM},
                                        {SYS_open_by_handle_at, EPERM},
                                        {SYS_setns, EPERM},
                                        {SYS_unshare, EPERM},
                                        {SYS_mount, EPERM},
                                        {SYS_umount2, EPERM},
                                        {SYS_pivot_root, EPERM},
                                        {SYS_chroot, EPERM},
                                        {SYS_fsopen, EPERM},
                                        {SYS_fsconfig, EPERM},
                                        {SYS_fsmount, EPERM},
                                        {SYS_fspick, EPERM},
                                        {SYS_open_tree, EPERM},
                                        {SYS_move_mount, EPERM},
                                        {SYS_mount_setattr, EPERM},
                                        {SYS_add_key, EPERM},
                                        {SYS_keyctl, EPERM},
                                        {SYS_request_key, EPERM},
                                        {SYS_mq_open, EPERM},
                                        {SYS_mq_unlink, EPERM},
                                        {SYS_syslog, EPERM},
                                        {SYS_remap_file_pages, EPERM},
                                        {SYS_bpf, EPERM},
                                        {SYS_perf_event_open, EPERM},
                                        {SYS_userfaultfd, EPERM},
                                        {SYS_fanotify_init, EPERM},
                                        {SYS_fanotify_mark, EPERM},
                                        {SYS_kexec_load, EPERM},
                                        {SYS_kexec_file_load, EPERM},
                                        {SYS_init_module, EPERM},
                                        {SYS_finit_module, EPERM},
                                        {SYS_delete_module, EPERM},
                                        {SYS_clone3, ENOSYS},
                                        {SYS_socket, EAFNOSUPPORT},
                                        {SYS_socketpair, EAFNOSUPPORT}};  // family 0

TEST_CASE("what becomes of every system call of x86-64") {
    for (long call = 0; call <= slurm::kLastNumber; ++call) {
        CAPTURE(call);
        const auto row = kForbidden.find(call);
        const std::uint32_t wanted = row != kForbidden.end()     ? fails(row->second)
                                     : call > slurm::kNewestCall ? fails(ENOSYS)
                                                                 : kAllow;
        CHECK(becomes(call) == wanted);
    }
}

TEST_CASE("a call of another kind ends the process") {
    for (long call = 0; call < 1024; ++call) {
        CAPTURE(call);
        CHECK(becomes(call, {}, AUDIT_ARCH_I386) == SECCOMP_RET_KILL_PROCESS);
        CHECK(becomes(call | 0x40000000, {}) == SECCOMP_RET_KILL_PROCESS);  // x32
        CHECK(becomes(call, {}, AUDIT_ARCH_AARCH64) == SECCOMP_RET_KILL_PROCESS);
    }
}

TEST_CASE("what becomes of every socket option") {
    const std::set<int> sockets{SO_BINDTODEVICE, SO_BINDTOIFINDEX};
    const std::set<int> v4{IP_OPTIONS,      IP_TRANSPARENT,    IP_FREEBIND,
                           IP_MULTICAST_IF, IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP,
                           IP_MSFILTER,     MCAST_JOIN_GROUP,  MCAST_JOIN_SOURCE_GROUP,
                           MCAST_MSFILTER,  IP_UNICAST_IF};
    const std::set<int> v6{6,
                           IPV6_MULTICAST_IF,
                           IPV6_JOIN_GROUP,
                           IPV6_JOIN_ANYCAST,
                           32 /* FLOWLABEL_MGR */,
                           MCAST_JOIN_GROUP,
                           MCAST_JOIN_SOURCE_GROUP,
                           MCAST_MSFILTER,
                           IPV6_PKTINFO,
                           IPV6_HOPOPTS,
                           IPV6_RTHDRDSTOPTS,
                           IPV6_RTHDR,
                           IPV6_DSTOPTS,
                           75,
                           76,
                           78};
    const std::map<int, const std::set<int>*> tables{
        {SOL_SOCKET, &sockets}, {IPPROTO_IP, &v4}, {IPPROTO_IPV6, &v6}};
    for (const auto& [level, forbidden] : tables)
        for (int name = 0; name < 256; ++name) {
            CAPTURE(level, name);
            for (const std::uint64_t above : kAbove)
                CHECK(becomes(SYS_setsockopt, {5, above | static_cast<unsigned>(level),
                                               above | static_cast<unsigned>(name)}) ==
                      (forbidden->contains(name) ? fails(EPERM) : kAllow));
        }
    for (int level = 0; level < 300; ++level)
        if (!tables.contains(level))
            CHECK(becomes(SYS_setsockopt, {5, static_cast<unsigned>(level), 25}) == kAllow);
}

TEST_CASE("what becomes of every socket family") {
    for (const long call : {SYS_socket, SYS_socketpair})
        for (std::uint64_t family = 0; family < 256; ++family) {
            CAPTURE(call, family);
            const bool is_taken =
                family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
            CHECK(becomes(call, {family, SOCK_STREAM, 0}) == (is_taken ? kAllow : fails(EAFNOSUPPORT)));
            CHECK(becomes(call, {family | std::uint64_t{1} << 32, SOCK_STREAM, 0}) == fails(EAFNOSUPPORT));
        }
    for (std::uint64_t protocol = 1; protocol < 64; ++protocol)
        CHECK(becomes(SYS_socket, {AF_NETLINK, SOCK_RAW, protocol}) == fails(EAFNOSUPPORT));
}

TEST_CASE("clone makes threads and children, and no namespace") {
    for (int bit = 0; bit < 32; ++bit) {
        const std::uint64_t flag = std::uint64_t{1} << bit;
        const bool is_space = flag & (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID |
                                      CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP);
        CAPTURE(bit);
        CHECK(becomes(SYS_clone, {flag | SIGCHLD}) == (is_space ? fails(EPERM) : kAllow));
    }
}

TEST_CASE("a futex operation that the kernel would log does not reach it") {
    CHECK(becomes(SYS_futex, {0, 5, 0, 0, 0, 0xc0000000}) == fails(ENOSYS));
    CHECK(becomes(SYS_futex, {0, 5 | 128, 0, 0, 0, 0x80000000}) == fails(ENOSYS));
    CHECK(becomes(SYS_futex, {0, 5 | 128, 0, 0, 0, 0x04000001}) == kAllow);  // the C library's
    for (std::uint64_t operation = 0; operation < 14; ++operation)
        if (operation != 5) CHECK(becomes(SYS_futex, {0, operation | 128, 0, 0, 0, 0xc0000000}) == kAllow);
}

TEST_CASE("each row of the tables says why") {
    for (const auto& group : slurm::forbidden_calls()) CHECK(std::strlen(group.why) > 0);
    for (const auto& option : slurm::forbidden_options()) CHECK(std::strlen(option.why) > 0);
}
