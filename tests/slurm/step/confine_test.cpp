#include "slurm/step/confine.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <functional>
#include <thread>

#include "core/base/error.h"
#include "slurm/decide/policy.h"
#include "slurm/fence/fence_check.h"

namespace {

// The errno of `work` in a child that restricted itself; 0 if it succeeded. What a task does cannot be
// undone.
int inside(const std::function<int()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
        try {
            slurm::restrict_task();
        } catch (...) {
            ::_exit(255);
        }
        errno = 0;
        ::_exit(work() < 0 ? errno : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

int open_socket(int family, int type, int protocol = 0) {
    return inside([=] { return ::socket(family, type, protocol); });
}

}  // namespace

TEST_CASE("a task has the socket families of the list and no other") {
    CHECK(open_socket(AF_UNIX, SOCK_STREAM) == 0);
    CHECK(open_socket(AF_INET, SOCK_STREAM) == 0);
    CHECK(open_socket(AF_INET6, SOCK_DGRAM) == 0);
    CHECK(open_socket(AF_NETLINK, SOCK_RAW, 0) == 0);
    CHECK(open_socket(AF_NETLINK, SOCK_RAW, 9) == EAFNOSUPPORT);
    for (int family = 0; family < 64; ++family)
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6 && family != AF_NETLINK) {
            CAPTURE(family);
            CHECK(open_socket(family, SOCK_STREAM) == EAFNOSUPPORT);
            CHECK(inside([=] {
                      int pair[2];
                      return ::socketpair(family, SOCK_STREAM, 0, pair);
                  }) == EAFNOSUPPORT);
        }
    // The kernel takes an int; the filter must not be fooled by what stands above it.
    CHECK(inside([] {
              return static_cast<int>(::syscall(SYS_socket, 0x100000000L | AF_PACKET, SOCK_RAW, 0));
          }) == EAFNOSUPPORT);
    CHECK(inside([] {
              return static_cast<int>(::syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0x100000009L));
          }) == EAFNOSUPPORT);
}

TEST_CASE("a task makes no namespaces, mounts, keyrings, rings or programs") {
    const auto call = [](long number) {
        return inside([=] { return static_cast<int>(::syscall(number, 0, 0, 0, 0, 0)); });
    };
    for (const long number :
         {SYS_unshare, SYS_setns, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_fsopen, SYS_open_tree,
          SYS_move_mount, SYS_add_key, SYS_keyctl, SYS_request_key, SYS_io_uring_setup, SYS_bpf,
          SYS_perf_event_open, SYS_userfaultfd, SYS_open_by_handle_at, SYS_mq_open}) {
        CAPTURE(number);
        CHECK(call(number) == EPERM);
    }
    for (const long space : {0x10000000L, 0x20000L, 0x40000000L, 0x20000000L, 0x08000000L}) {
        CAPTURE(space);
        CHECK(inside([=] { return static_cast<int>(::syscall(SYS_clone, space | SIGCHLD, 0, 0, 0, 0)); }) ==
              EPERM);
    }
    CHECK(call(SYS_clone3) == ENOSYS);
}

TEST_CASE("a task sets no option by which the kernel sends for it") {
    const auto set = [](int family, int level, int name) {
        return inside([=] {
            const int fd = ::socket(family, SOCK_DGRAM, 0);
            const char value[136] = {};
            return static_cast<int>(::syscall(SYS_setsockopt, fd, level, name, value, sizeof value));
        });
    };
    for (const int name : {IP_OPTIONS, IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP, MCAST_JOIN_GROUP})
        CHECK(set(AF_INET, IPPROTO_IP, name) == EPERM);
    for (const int name : {IPV6_JOIN_GROUP, IPV6_JOIN_ANYCAST, MCAST_JOIN_GROUP, IPV6_RTHDR})
        CHECK(set(AF_INET6, IPPROTO_IPV6, name) == EPERM);
    CHECK(inside([] {  // the kernel looks at the lower half of the register only, and so must the filter
              const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
              const char value[8] = {};
              return static_cast<int>(::syscall(SYS_setsockopt, fd, 1L << 32 | IPPROTO_IP,
                                                1L << 32 | IP_ADD_MEMBERSHIP, value, sizeof value));
          }) == EPERM);
    CHECK(inside([] {
              const int fd = ::socket(AF_INET, SOCK_STREAM, 0), on = 1;
              return ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
          }) == 0);
}

TEST_CASE("a refused step's daemon starts no program, and neither do its children") {
    const pid_t child = ::fork();
    if (child == 0) {
        try {
            slurm::forbid_programs();
        } catch (...) {
            ::_exit(255);
        }
        const pid_t grandchild = ::fork();
        char name[] = "/bin/true", *argv[] = {name, nullptr}, *none[] = {nullptr};
        ::execve(name, argv, none);
        if (grandchild == 0) ::_exit(errno == EPERM ? 7 : 8);
        int status = 0;
        const bool is_alike = ::waitpid(grandchild, &status, 0) == grandchild && WEXITSTATUS(status) == 7;
        ::_exit(is_alike && errno == EPERM ? 7 : 8);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WEXITSTATUS(status) == 7);
}

TEST_CASE("an extern step's daemon answers nobody, in no thread, and its program is dead as it starts") {
    const pid_t child = ::fork();
    if (child == 0) {
        int begin[2], answer = 0;
        if (::pipe(begin)) ::_exit(1);
        // Slurm's thread that listens is there before the plugin is. It would wait here if it were let.
        std::thread listener([&] {
            char byte = 0;
            const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
            sockaddr_un name{};
            name.sun_family = AF_UNIX;
            if (::bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof(sa_family_t)) || ::listen(fd, 1) ||
                ::read(begin[0], &byte, 1) != 1)
                return;
            const bool is_first = ::accept(fd, nullptr, nullptr) < 0 && errno == EPERM;
            if (is_first && ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC) < 0) answer = errno;
        });
        try {
            slurm::end_extern_step();
        } catch (...) {
            ::_exit(2);
        }
        if (::write(begin[1], "x", 1) != 1) ::_exit(3);
        listener.join();
        const pid_t grandchild = ::fork();
        if (grandchild == 0) {
            char name[] = "/bin/true", *argv[] = {name, nullptr}, *none[] = {nullptr};
            ::execve(name, argv, none);
            ::_exit(0);
        }
        int status = 0;
        const bool is_dead = ::waitpid(grandchild, &status, 0) == grandchild && WIFSIGNALED(status) &&
                             WTERMSIG(status) == SIGSYS && !WCOREDUMP(status);
        ::_exit(answer != EPERM ? 4 : is_dead ? 7 : 5);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WEXITSTATUS(status) == 7);
}

TEST_CASE("a task keeps what programs need: threads, children, shared memory") {
    CHECK(inside([] {
              int seen = 0;
              std::thread([&] { seen = 1; }).join();
              return seen ? 0 : -1;
          }) == 0);
    CHECK(inside([] {
              const pid_t child = ::fork();
              if (child == 0) ::_exit(0);
              return ::waitpid(child, nullptr, 0) == child ? 0 : -1;
          }) == 0);
    CHECK(inside([] { return ::memfd_create("x", 0); }) == 0);
}

TEST_CASE("a task has no core dumps, no new privileges, no inherited descriptors past exec") {
    const int inherited = ::open("/dev/null", O_RDONLY);
    CHECK(inside([=] {
              rlimit core{};
              ::getrlimit(RLIMIT_CORE, &core);
              const bool closed_at_exec = ::fcntl(inherited, F_GETFD) == FD_CLOEXEC;
              return core.rlim_max == 1 && ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && closed_at_exec
                         ? 0
                         : -1;
          }) == 0);
    ::close(inherited);
}

TEST_CASE("a cgroup without the fence's programs is no fence") {
    if (::geteuid() != 0) {
        WARN("skipped: needs root");
        return;
    }
    const int fd = ::open(slurm::cgroup_root().c_str(), O_RDONLY | O_DIRECTORY);
    REQUIRE(fd >= 0);
    CHECK_THROWS_WITH(slurm::require_fence(fd), "the job's cgroup has no fence on it");
    ::close(fd);
}
