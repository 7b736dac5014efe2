#pragma once
#include <csignal>

namespace trainer {

// While it lives, SIGURG, SIGUSR1 (Slurm's warning before it takes the nodes back: the first is what an
// enclave's jobs get that asked for no other) and SIGTERM only leave a mark.
class StopSignals {
public:
    StopSignals();
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;
    ~StopSignals();
    bool received() const noexcept;

private:
    struct sigaction usr1_ {
    }, urg_{}, term_{};
};

}  // namespace trainer
