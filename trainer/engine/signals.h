#pragma once
#include <csignal>

namespace trainer {

// While it lives, SIGUSR1 and SIGTERM (Slurm's warning before it takes the nodes back) only leave a mark.
class StopSignals {
public:
    StopSignals();
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;
    ~StopSignals();
    bool received() const noexcept;

private:
    struct sigaction usr1_ {
    }, term_{};
};

}  // namespace trainer
