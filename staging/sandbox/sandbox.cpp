#include "staging/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <initializer_list>

namespace staging {
namespace {

bool limit(int resource, std::uint64_t value) {
    const rlimit both{value, value};
    return setrlimit(static_cast<__rlimit_resource_t>(resource), &both) == 0;
}

// Bytes of address space in use: the libraries that the program links are part of it.
std::uint64_t mapped_bytes() {
    FILE* file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;
    const bool ok = file && fscanf(file, "%lu", &pages) == 1;
    if (file) fclose(file);
    return ok ? std::uint64_t{pages} * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

bool allow(scmp_filter_ctx filter, std::initializer_list<int> calls) {
    for (const int call : calls)
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) != 0) return false;
    return true;
}

bool load_filter() {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!filter) return false;
    // Answer and listen; read what was handed over; memory that cannot be executed; end. sysinfo: glibc's qsort
    // asks once how much memory there is.
    bool ok =
        allow(filter, {SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(pread64), SCMP_SYS(close),
                       SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(futex),
                       SCMP_SYS(clock_gettime), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(rt_sigreturn),
                       SCMP_SYS(restart_syscall), SCMP_SYS(sysinfo), SCMP_SYS(exit), SCMP_SYS(exit_group)});
    ok = ok && seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) == 0;
    if (kSanitized)
        ok = ok && allow(filter, {SCMP_SYS(write), SCMP_SYS(read), SCMP_SYS(pipe2), SCMP_SYS(openat),
                                  SCMP_SYS(readlink), SCMP_SYS(mprotect), SCMP_SYS(sigaltstack),
                                  SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(newfstatat),
                                  SCMP_SYS(lseek), SCMP_SYS(sched_yield), SCMP_SYS(tgkill), SCMP_SYS(kill),
                                  SCMP_SYS(prctl), SCMP_SYS(getuid), SCMP_SYS(ioctl), SCMP_SYS(prlimit64)});
    ok = ok && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return ok;
}

}  // namespace

bool leave_parent_behind(int keep, int parent_pid) noexcept {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent_pid) return false;  // it died before we could be told
    for (const int signal_number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE})
        signal(signal_number, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);  // children are reaped by the kernel

    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return false;
    // A sanitizer's report goes to the tests' output; nothing else ever writes there.
    for (const int standard : {0, 1, 2})
        if (!(kSanitized && standard == 2) && dup2(null, standard) < 0) return false;
    if (keep != 3 && dup2(keep, 3) < 0) return false;
    return close_range(4, ~0U, 0) == 0 && limit(RLIMIT_CORE, 0) && prctl(PR_SET_DUMPABLE, 0) == 0 &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

bool enter_sandbox(std::uint64_t memory_bytes) noexcept {
    const std::uint64_t mapped = mapped_bytes();
    if (mapped == 0) return false;
    if (!kSanitized && !limit(RLIMIT_AS, mapped + memory_bytes)) return false;
    return limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_NPROC, 0) && limit(RLIMIT_NOFILE, 16) && load_filter();
}

}  // namespace staging
