#pragma once
#include <cstdint>

#include "core/base/config.h"

namespace trainer {

// The learning rate as a function of the step: a linear warm-up, then constant or half a cosine down to
// `final_fraction` of the rate (Loshchilov and Hutter 2017). Holds no state: nothing of it is in checkpoints.
struct Schedule {
    enum class Shape { constant, cosine };
    Shape shape = Shape::cosine;
    std::int64_t warmup_steps = 0;
    double final_fraction = 0;

    // [schedule] of a recipe. Throws Error(usage).
    static Schedule from(const core::Config& options);
    // `step` counts from 0 to `steps` - 1.
    double rate(double peak, std::int64_t step, std::int64_t steps) const;
};

}  // namespace trainer
