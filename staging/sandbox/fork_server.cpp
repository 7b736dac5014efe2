#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "staging/sandbox/channel.h"
#include "staging/sandbox/descriptors.h"
#include "staging/sandbox/sandbox.h"

namespace staging {
namespace {

constexpr int kControl = 3;  // where leave_parent_behind puts it

// A worker whose socket is closed ends in a moment, unless it sleeps in the kernel.
Started how_it_ended(pid_t pid) {
    constexpr int kTries = 2000;
    Started out{-1};
    for (int i = 0; i < kTries && out.pid != pid; ++i) {
        if (i) ::usleep(1000);
        const pid_t found = ::waitpid(pid, &out.status, WNOHANG);
        if (found < 0 && errno != EINTR) break;
        out.pid = found == pid ? pid : -1;
    }
    return out;
}

[[noreturn]] void run_server(int control, pid_t parent, MakeAnswers make, Prepare prepare) {
    prctl(PR_SET_NAME, "aloft-readers");
    if (!leave_parent_behind(control, parent)) ::_exit(1);
    core::sha256({});  // OpenSSL reads its configuration once; workers cannot
    if (prepare) prepare();
    const pid_t self = ::getpid();
    ::signal(SIGCHLD, SIG_DFL);  // how a worker ended is asked later
    while (auto start = receive_message<Start>(kControl)) {
        if (const pid_t ended = start->message.ended) {
            if (!send_message(kControl, how_it_ended(ended))) break;
            continue;
        }
        const pid_t worker = ::fork();
        if (worker == 0)
            serve(start->descriptors[0].get(), std::move(start->descriptors[1]), start->message, self, make);
        Started started{worker, 0};
        core::Fd process;
        if (worker > 0) process = core::Fd(static_cast<int>(::syscall(SYS_pidfd_open, worker, 0)));
        if (!process.is_open()) started.pid = -1;
        const int descriptor = process.get();
        if (!send_message(kControl, started, {&descriptor, process.is_open() ? 1U : 0U})) break;
    }
    ::_exit(0);
}

bool has_one_thread() noexcept {
    std::error_code failed;
    std::filesystem::directory_iterator threads("/proc/self/task", failed);
    return !failed && threads != std::filesystem::directory_iterator{} &&
           threads.increment(failed) == std::filesystem::directory_iterator{};
}

}  // namespace

ForkServer::ForkServer(MakeAnswers make, Prepare prepare) noexcept {
    if (!has_one_thread()) {
        failed_ = "start before any thread does";
        return;
    }
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        failed_ = "make a socket pair";
        return;
    }
    core::Fd ours(ends[0]);
    const core::Fd theirs(ends[1]);
    const pid_t self = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) failed_ = "fork";
    if (pid_ == 0) run_server(ends[1], self, make, prepare);
    if (pid_ > 0) control_ = std::move(ours);
}

ForkServer::~ForkServer() {
    control_ = core::Fd();  // it ends when nobody listens
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

}  // namespace staging
