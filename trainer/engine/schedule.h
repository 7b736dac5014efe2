#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/config.h"
#include "trainer/engine/clock.h"

namespace trainer {

// [schedule] of a recipe: the learning rate as a function of the step, after a linear warm-up. Each schedule (schedules)
// has defaults of its own, and knows some of these keys.
struct Schedule {
    std::string name = "cosine";
    std::int64_t warmup_steps = 0;
    double warmup_epochs = 0;
    double final_fraction = 0;                 // of the rate: what it falls to
    double exponent = 0.9;                     // poly
    double rise = 0.3, start_fraction = 0.04;  // one_cycle: part of the run that climbs, and from where
    std::int64_t every_epochs = 30;            // step
    double factor = 0.1;                       // step, plateau
    std::int64_t patience = 10;                // plateau: epochs
    double threshold = 1e-4;

    static Schedule from(const core::Config& options);  // throws Error(usage)
    nlohmann::ordered_json told() const;                // for the identity of a run

    std::int64_t warmup(const Clock& clock) const;  // in steps
    // Of the step that the clock is at, below clock.steps(); `reduced`: Plateau::reduced.
    double rate(double peak, const Clock& clock, double reduced = 1) const;
    bool follows_score() const { return name == "plateau"; }
};

// What a plateau schedule remembers: the best score, how many epochs were not better by more than `threshold`, and what
// the rate is multiplied by now. As PyTorch's ReduceLROnPlateau with threshold_mode "abs".
class Plateau {
public:
    // After an epoch: its score on the validation split, more is better; nothing if it had none, which is not better.
    void observe(const Schedule& schedule, std::optional<double> score);
    double reduced() const noexcept { return reduced_; }

    nlohmann::ordered_json state() const;  // for a checkpoint
    void set(const nlohmann::ordered_json& state);

private:
    std::optional<double> best_;
    std::int64_t worse_epochs_ = 0;
    double reduced_ = 1;
};

// One row a schedule. `fraction`: of the peak, `done` of the steps after the warm-up being done (0 to below 1).
struct ScheduleKind {
    std::string_view name, meaning;
    std::vector<std::string_view> keys;
    Schedule defaults;
    double (*fraction)(const Schedule& schedule, double done, const Clock& clock);
};
const std::vector<ScheduleKind>& schedules();

}  // namespace trainer
