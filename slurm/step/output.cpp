#include "slurm/step/output.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <optional>

#include "core/base/error.h"

#ifndef sigev_notify_thread_id  // glibc hides the field's name
#define sigev_notify_thread_id _sigev_un._tid
#endif

namespace slurm {
namespace {

std::optional<timer_t> g_timer;
struct sigaction g_before;

// Not SIGALRM, which slurmstepd blocks; a real-time signal that nothing of it uses.
int the_signal() {
    return SIGRTMIN + 7;
}

}  // namespace

void limit_waiting() {
    struct sigaction action {};
    action.sa_handler = [](int) {};  // without SA_RESTART
    if (::sigaction(the_signal(), &action, &g_before))
        throw core::Error(core::Fault::system, core::with_errno("fence: cannot set a handler", errno));
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = the_signal();
    event.sigev_notify_thread_id = static_cast<pid_t>(::syscall(SYS_gettid));
    timer_t timer{};
    const itimerspec often{{0, 200'000'000}, {2, 0}};
    if (::timer_create(CLOCK_MONOTONIC, &event, &timer) || ::timer_settime(timer, 0, &often, nullptr))
        throw core::Error(core::Fault::system, core::with_errno("fence: cannot start a timer", errno));
    g_timer = timer;
}

void allow_waiting() noexcept {
    if (!g_timer) return;
    ::timer_delete(*g_timer);
    ::sigaction(the_signal(), &g_before, nullptr);
    g_timer.reset();
}

}  // namespace slurm
