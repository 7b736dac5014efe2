#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "slurm/mirror/mirror.h"

namespace slurm {
namespace {

constexpr int kTellEvery = 60;  // attempts that fail in a row: the first is told, and then one a minute

}  // namespace

Attempts::Attempts(std::function<void()> work, std::chrono::milliseconds limit)
    : work_(std::move(work)), limit_(limit) {}

Attempts::~Attempts() {
    if (child_ > 0) ::kill(child_, SIGKILL);
    is_over();
}

bool Attempts::is_over() {
    if (child_ < 0) return true;
    int status = 0;
    const pid_t got = ::waitpid(child_, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) return false;
    child_ = -1;
    failures_ = status == 0 && got > 0 ? 0 : failures_ + 1;
    if (failures_ == 0) succeeded_ = core::now_seconds();
    return true;
}

void Attempts::tick() {
    const auto now = std::chrono::steady_clock::now();
    if (!is_over()) {
        if (!killed_ && now - begun_ > limit_) {
            ::kill(child_, SIGKILL);
            killed_ = true;
            core::Event("error", "published_hangs").with("child", child_);
        }
        return;
    }
    if (std::exchange(killed_, false)) core::Event("info", "published_answers_again");
    child_ = ::fork();
    if (child_ < 0) throw core::Error(core::Fault::system, core::with_errno("cannot start a child", errno));
    if (child_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        try {
            work_();
        } catch (const std::exception& e) {
            if (failures_ % kTellEvery == 0) core::Event("error", "not_mirrored").with("text", e.what());
            ::_exit(1);
        }
        ::_exit(0);
    }
    begun_ = now;
    ++started_;
}

}  // namespace slurm
