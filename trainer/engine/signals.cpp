#include "trainer/engine/signals.h"

namespace trainer {
namespace {

volatile std::sig_atomic_t stop = 0;

void mark(int) {
    stop = 1;
}

}  // namespace

StopSignals::StopSignals() {
    struct sigaction action {};
    action.sa_handler = mark;
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, &usr1_);
    sigaction(SIGURG, &action, &urg_);
    sigaction(SIGTERM, &action, &term_);
}

StopSignals::~StopSignals() {
    sigaction(SIGUSR1, &usr1_, nullptr);
    sigaction(SIGURG, &urg_, nullptr);
    sigaction(SIGTERM, &term_, nullptr);
}

bool StopSignals::received() const noexcept {
    return stop != 0;
}

}  // namespace trainer
