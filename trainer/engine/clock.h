#pragma once
#include <cstdint>

namespace trainer {

// Where a run is. Step s of epoch e is the same samples on any number of ranks.
class Clock {
public:
    Clock(std::int64_t epochs, std::int64_t steps_per_epoch)
        : epochs_(epochs), steps_per_epoch_(steps_per_epoch) {}

    std::int64_t step() const noexcept { return step_; }  // steps done since the beginning
    std::int64_t steps() const noexcept { return epochs_ * steps_per_epoch_; }
    std::int64_t steps_per_epoch() const noexcept { return steps_per_epoch_; }
    std::int64_t epoch() const noexcept { return step_ / steps_per_epoch_; }
    std::int64_t step_in_epoch() const noexcept { return step_ % steps_per_epoch_; }
    bool epoch_ended() const noexcept { return step_ > 0 && step_in_epoch() == 0; }
    bool done() const noexcept { return stopped_ || step_ >= steps(); }

    void advance() noexcept { ++step_; }
    void set(std::int64_t step) noexcept { step_ = step; }
    void stop_early() noexcept { stopped_ = true; }

private:
    std::int64_t epochs_, steps_per_epoch_, step_ = 0;
    bool stopped_ = false;
};

}  // namespace trainer
