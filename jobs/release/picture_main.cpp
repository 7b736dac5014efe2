// aloft-picture: draws a PNG picture anew, from standard input to standard output. A process of its own, because
// it decodes what a researcher's job wrote: nothing but memory and its two ends is left to it when it does.
// Started by aloftd; PIXELS is the limit. Exit codes: 0, or 5 with the reason on standard error.
#include <seccomp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "jobs/release/picture.h"

namespace {

bool confine() {
    const rlimit memory{1ul << 30, 1ul << 30}, seconds{20, 20}, none{0, 0};
    if (::setrlimit(RLIMIT_AS, &memory) || ::setrlimit(RLIMIT_CPU, &seconds) ||
        ::setrlimit(RLIMIT_FSIZE, &none) || ::setrlimit(RLIMIT_CORE, &none))
        return false;
    scmp_filter_ctx filter = ::seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!filter) return false;
    bool whole = true;
    for (const int call : {SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap),
                           SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn)})
        whole = whole && ::seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) == 0;
    whole = whole && ::seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                        SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0)) == 0;  // never executable
    whole = whole && ::seccomp_load(filter) == 0;
    ::seccomp_release(filter);
    return whole;
}

bool write_whole(int fd, const void* bytes, std::size_t size) {
    const auto* from = static_cast<const char*>(bytes);
    while (size > 0) {
        const ssize_t wrote = ::write(fd, from, size);
        if (wrote <= 0) return false;
        from += wrote;
        size -= static_cast<std::size_t>(wrote);
    }
    return true;
}

int refuse(const std::string& why) {
    write_whole(STDERR_FILENO, why.data(), why.size());
    return 5;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return refuse("usage: aloft-picture PIXELS < PICTURE > PICTURE\n");
    const std::int64_t limit = std::atoll(argv[1]);
    if (!confine()) return refuse("cannot confine itself\n");
    core::Bytes input, chunk(64 << 10);
    for (ssize_t got; (got = ::read(STDIN_FILENO, chunk.data(), chunk.size())) > 0;) {
        if (input.size() > (64u << 20)) return refuse("larger than 64 MiB");
        input.insert(input.end(), chunk.begin(), chunk.begin() + got);
    }
    const jobs::Picture picture = jobs::redraw(input, limit);
    if (picture.png.empty()) return refuse(picture.why);
    return write_whole(STDOUT_FILENO, picture.png.data(), picture.png.size()) ? 0 : 4;
}
