#include "trainer/engine/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/error.h"
#include "trainer/keys/key.h"
#include "trainer/keys/parts.h"

namespace trainer {
namespace {

// Half a cosine from 1 to 0.
double fall(double done) {
    return (1 + std::cos(std::numbers::pi * done)) / 2;
}

double cosine(const Schedule& s, double done, const Clock&) {
    return s.final_fraction + (1 - s.final_fraction) * fall(done);
}

double constant(const Schedule&, double, const Clock&) {
    return 1;
}

double poly(const Schedule& s, double done, const Clock&) {
    return s.final_fraction + (1 - s.final_fraction) * std::pow(1 - done, s.exponent);
}

// The peak is the last step of the rise, the end the last step of the run, as PyTorch's OneCycleLR counts.
double one_cycle(const Schedule& s, double, const Clock& clock) {
    const auto steps = static_cast<double>(clock.steps()), step = static_cast<double>(clock.step());
    const double top = s.rise * steps - 1, end = steps - 1;
    if (step <= top) return top > 0 ? 1 - (1 - s.start_fraction) * fall(step / top) : 1;
    return end > top ? s.final_fraction + (1 - s.final_fraction) * fall((step - top) / (end - top)) : 1;
}

double step(const Schedule& s, double, const Clock& clock) {
    return std::pow(s.factor, static_cast<double>(clock.epoch() / s.every_epochs));
}

Schedule named(const char* name) {
    Schedule out;
    out.name = name;
    return out;
}

Schedule one_cycle_defaults() {
    Schedule out = named("one_cycle");
    out.final_fraction = 4e-6;
    return out;
}

using S = Schedule;
constexpr double kMany = 1e12;
constexpr Key<S> kKeys[] = {
    {"warmup_steps", &S::warmup_steps, 0, kMany, "steps", "in which the rate climbs from nothing", 1},
    {"final_fraction", &S::final_fraction, 0, 1, "", "of the rate: the least that it falls to", 1},
    {"warmup_epochs", &S::warmup_epochs, 0, 1e6, "epochs", "in place of warmup_steps"},
    {"exponent", &S::exponent, 0.01, 100, "", "of what is left of the run"},
    {"rise", &S::rise, 0, 1, "", "part of the run in which the rate climbs"},
    {"start_fraction", &S::start_fraction, 0, 1, "", "of the rate: what it climbs from"},
    {"every_epochs", &S::every_epochs, 1, kMany, "epochs", "that each rate holds"},
    {"factor", &S::factor, 0, 1, "", "what the rate is multiplied by"},
    {"patience", &S::patience, 0, kMany, "epochs", "without a better score that are let pass"},
    {"threshold", &S::threshold, 0, 1e12, "", "by how much more than this a score must be better"},
};

const ScheduleKind& kind_of(const Schedule& schedule) {
    for (const ScheduleKind& each : schedules())
        if (each.name == schedule.name) return each;
    throw core::Error(core::Fault::bug, "there is no such schedule");
}

}  // namespace

const std::vector<ScheduleKind>& schedules() {
    static const std::vector<ScheduleKind> rows{
        {"cosine",
         "half a cosine (Loshchilov and Hutter 2017)",
         {"warmup_steps", "warmup_epochs", "final_fraction"},
         named("cosine"),
         cosine},
        {"constant", "as it is", {"warmup_steps", "warmup_epochs"}, named("constant"), constant},
        {"poly",
         "what is left of the run, to a power (nnU-Net, Isensee et al. 2021)",
         {"warmup_steps", "warmup_epochs", "final_fraction", "exponent"},
         named("poly"),
         poly},
        {"one_cycle",
         "up along half a cosine, then down along one (Smith and Topin 2018)",
         {"rise", "start_fraction", "final_fraction"},
         one_cycle_defaults(),
         one_cycle},
        {"step",
         "multiplied every so many epochs",
         {"warmup_steps", "warmup_epochs", "every_epochs", "factor"},
         named("step"),
         step},
        {"plateau",
         "multiplied when the validation score (train.select) stays",
         {"warmup_steps", "warmup_epochs", "factor", "patience", "threshold", "final_fraction"},
         named("plateau"),
         constant}};
    return rows;
}

std::vector<KeyRow> schedule_rows() {
    std::vector<KeyRow> out;
    for (const ScheduleKind& kind : schedules()) {
        const std::vector<std::string> of{std::string(kind.name)};
        KeyRow name = row("schedule.name", {}, kind.name, "", kind.meaning, 1);
        name.by = "schedule.name";
        name.of = of;
        out.push_back(name);
        add_rows(out, "schedule", kind.defaults, kKeys, "schedule.name", of, [&](std::string_view key) {
            return std::find(kind.keys.begin(), kind.keys.end(), key) != kind.keys.end();
        });
    }
    return out;
}

Schedule Schedule::from(const core::Config& options) {
    const ScheduleKind& kind = chosen(options, schedules(), "cosine");
    Schedule out = kind.defaults;
    for (const auto& key : kKeys)
        if (std::find(kind.keys.begin(), kind.keys.end(), key.name) != kind.keys.end())
            read(options, out, key);
    if (out.warmup_steps > 0 && out.warmup_epochs > 0)
        options.refuse("warmup_epochs", "warmup_steps says another");
    return out;
}

nlohmann::ordered_json Schedule::told() const {
    nlohmann::ordered_json out = {{"name", name}};
    for (const Key<S>& key : kKeys) tell(out, *this, kind_of(*this).defaults, key);
    return out;
}

std::int64_t Schedule::warmup(const Clock& clock) const {
    return warmup_epochs > 0 ? std::llround(warmup_epochs * static_cast<double>(clock.steps_per_epoch()))
                             : warmup_steps;
}

double Schedule::rate(double peak, const Clock& clock, double reduced) const {
    const std::int64_t warm = warmup(clock), at = clock.step();
    if (at < warm) return peak * static_cast<double>(at + 1) / static_cast<double>(warm) * reduced;
    const auto whole = static_cast<double>(std::max<std::int64_t>(clock.steps() - warm, 1));
    const double done = std::min(1.0, static_cast<double>(at - warm) / whole);
    return peak * kind_of(*this).fraction(*this, done, clock) * reduced;
}

void Plateau::observe(const Schedule& schedule, std::optional<double> score) {
    if (score && (!best_ || *score > *best_ + schedule.threshold)) {
        best_ = score;
        worse_epochs_ = 0;
        return;
    }
    if (++worse_epochs_ <= schedule.patience) return;
    worse_epochs_ = 0;
    reduced_ = std::max(reduced_ * schedule.factor, schedule.final_fraction);
}

nlohmann::ordered_json Plateau::state() const {
    return {{"best", best_ ? nlohmann::ordered_json(*best_) : nlohmann::ordered_json()},
            {"worse_epochs", worse_epochs_},
            {"reduced", reduced_}};
}

void Plateau::set(const nlohmann::ordered_json& state) {
    best_ = state.at("best").is_null() ? std::nullopt : std::optional(state.at("best").get<double>());
    worse_epochs_ = state.at("worse_epochs");
    reduced_ = state.at("reduced");
}

}  // namespace trainer
