#include "staging/sandbox/sandbox.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>

using namespace staging;

namespace {

// How a process ends that tries `attempt` in the sandbox.
int status_of(const std::function<void()>& attempt, std::uint64_t memory_bytes = 64 << 20) {
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child == 0) {
        const int keep = ::open("/dev/null", O_RDONLY);
        if (!leave_parent_behind(keep, parent) || !enter_sandbox(memory_bytes)) ::_exit(99);
        attempt();
        ::_exit(7);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

bool is_killed(const std::function<void()>& attempt) {
    const int status = status_of(attempt);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

}  // namespace

TEST_CASE("computing and reading what was handed over is allowed") {
    const int status = status_of([] {
        char byte;
        std::string memory(1 << 20, 'x');
        if (::pread(3, &byte, 1, 0) != 0 || memory.size() != 1 << 20) ::_exit(1);
    });
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 7);
}

TEST_CASE("whatever reaches outside kills the process") {
    CHECK(is_killed([] { ::socket(AF_INET, SOCK_STREAM, 0); }));
    CHECK(is_killed([] { ::socket(AF_UNIX, SOCK_STREAM, 0); }));
    CHECK(is_killed([] { ::fork(); }));
    CHECK(is_killed([] { ::execl("/bin/true", "true", nullptr); }));
    CHECK(
        is_killed([] { ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }));
    CHECK(is_killed([] { ::unlink("/tmp/absent"); }));
    CHECK(is_killed([] { ::chdir("/"); }));
    if (kSanitized) return;  // a sanitizer's report needs these
    CHECK(is_killed([] { ::open("/etc/passwd", O_RDONLY); }));
    CHECK(is_killed([] { ::kill(1, 0); }));
    CHECK(is_killed([] { ::write(3, "x", 1); }));
    CHECK(is_killed([] { ::mprotect(nullptr, 4096, PROT_READ | PROT_EXEC); }));
}

TEST_CASE("memory beyond what was granted is not given") {
    if (kSanitized) return;
    const int status = status_of([] {
        void* small = ::mmap(nullptr, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        void* large = ::mmap(nullptr, 128 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (small == MAP_FAILED || large != MAP_FAILED) ::_exit(1);
    });
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 7);
}

TEST_CASE("a child whose parent is gone already does not start") {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(leave_parent_behind(0, 1) ? 1 : 0);
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WEXITSTATUS(status) == 0);
}
