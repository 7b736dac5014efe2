#include "trainer/engine/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace trainer {

Schedule Schedule::from(const core::Config& options) {
    Schedule out;
    const std::string name = options.text_or("name", "cosine");
    if (name != "cosine" && name != "constant") options.refuse("name", "expected \"cosine\" or \"constant\"");
    out.shape = name == "cosine" ? Shape::cosine : Shape::constant;
    out.warmup_steps = options.integer_or("warmup_steps", 0);
    out.final_fraction = options.number_or("final_fraction", 0);
    if (out.warmup_steps < 0) options.refuse("warmup_steps", "expected 0 or more");
    if (out.final_fraction < 0 || out.final_fraction > 1) options.refuse("final_fraction", "expected 0 to 1");
    return out;
}

double Schedule::rate(double peak, std::int64_t step, std::int64_t steps) const {
    if (step < warmup_steps) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
    if (shape == Shape::constant) return peak;
    const auto whole = static_cast<double>(std::max<std::int64_t>(steps - warmup_steps, 1));
    const double done = std::min(1.0, static_cast<double>(step - warmup_steps) / whole);
    return peak * (final_fraction + (1 - final_fraction) * (1 + std::cos(std::numbers::pi * done)) / 2);
}

}  // namespace trainer
