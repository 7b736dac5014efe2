#include "trainer/engine/schedule.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "trainer/engine/clock.h"

using namespace trainer;

namespace {

Schedule schedule_of(const char* toml) {
    const auto config = core::Config::parse(toml, "f");
    const Schedule out = Schedule::from(config);
    config.finish();
    return out;
}

// Of a run of `epochs` epochs of `steps` steps, at a step.
double rate_at(const Schedule& schedule, double peak, std::int64_t step, std::int64_t epochs,
               std::int64_t steps) {
    Clock clock(epochs, steps);
    clock.set(step);
    return schedule.rate(peak, clock);
}

}  // namespace

TEST_CASE("the rate climbs in the warm-up, then falls along a cosine to its final fraction") {
    const Schedule schedule = schedule_of("warmup_steps = 10\nfinal_fraction = 0.1");
    const auto rate = [&](std::int64_t step) { return rate_at(schedule, 2, step, 1, 110); };
    CHECK(rate(0) == Approx(0.2));
    CHECK(rate(9) == Approx(2));
    CHECK(rate(10) == Approx(2));
    CHECK(rate(60) == Approx(1.1));
    CHECK(rate(110) == Approx(0.2));
    for (int step = 11; step < 110; ++step) CHECK(rate(step) < rate(step - 1));
}

TEST_CASE("a constant rate stays, and bad settings are refused") {
    const Schedule schedule = schedule_of("name = 'constant'");
    CHECK(rate_at(schedule, 3, 0, 1, 10) == 3);
    CHECK(rate_at(schedule, 3, 9, 1, 10) == 3);
    for (const char* bad :
         {"name = 'linear'", "warmup_steps = -1", "final_fraction = 2", "warmup_steps = 1\nwarmup_epochs = 1",
          "exponent = 2", "name = 'constant'\nfinal_fraction = 0.1", "name = 'one_cycle'\nwarmup_steps = 3",
          "name = 'step'\nevery_epochs = 0", "name = 'plateau'\nfactor = 1.5",
          "name = 'poly'\nexponent = nan"})
        CHECK_THROWS_AS(schedule_of(bad), core::Error);
    CHECK_THROWS_WITH(schedule_of("name = 'ploy'"), Catch::Contains("poly"));
}

TEST_CASE("a warm-up in epochs is one in steps") {
    const Schedule epochs = schedule_of("warmup_epochs = 1.5"), steps = schedule_of("warmup_steps = 12");
    for (int step = 0; step < 40; ++step)
        CHECK(rate_at(epochs, 2, step, 5, 8) == rate_at(steps, 2, step, 5, 8));
}

TEST_CASE("poly is what is left of the run to a power") {
    const Schedule nnunet = schedule_of("name = 'poly'");
    for (int step = 0; step < 100; ++step)
        CHECK(rate_at(nnunet, 0.01, step, 10, 10) == Approx(0.01 * std::pow(1 - step / 100.0, 0.9)));
    const Schedule other =
        schedule_of("name = 'poly'\nexponent = 2\nfinal_fraction = 0.2\nwarmup_steps = 20");
    CHECK(rate_at(other, 1, 60, 10, 10) == Approx(0.2 + 0.8 * 0.25));
    CHECK(rate_at(other, 1, 9, 10, 10) == Approx(0.5));
}

TEST_CASE("one cycle has the rates of PyTorch's OneCycleLR") {
    // OneCycleLR(SGD, max_lr=2, total_steps=20, cycle_momentum=False), PyTorch 2.15
    const double expected[] = {0.08000000000000007,
                               0.2633436854000506,
                               0.7433436854000506,
                               1.3366563145999495,
                               1.8166563145999495,
                               2.0,
                               1.9749280124701747,
                               1.9009692640269473,
                               1.7818323551421,
                               1.6234913078995261,
                               1.4338860035826015,
                               1.2225240438725786,
                               1.000004,
                               0.7774839561274215,
                               0.5661219964173985,
                               0.37651669210047395,
                               0.2181756448579001,
                               0.09903873597305257,
                               0.02507998752982511,
                               8e-06};
    const Schedule schedule = schedule_of("name = 'one_cycle'");
    for (int step = 0; step < 20; ++step)
        CHECK(rate_at(schedule, 2, step, 4, 5) == Approx(expected[step]).epsilon(1e-12));
    for (const char* edge : {"name = 'one_cycle'\nrise = 0", "name = 'one_cycle'\nrise = 1"})
        for (int step = 0; step < 2; ++step)
            for (const int steps : {1, 2})
                CHECK(std::isfinite(rate_at(schedule_of(edge), 2, step, 1, steps)));
}

TEST_CASE("a rate in steps falls after so many epochs") {
    const Schedule schedule = schedule_of("name = 'step'\nevery_epochs = 3\nfactor = 0.5");
    for (int step = 0; step < 40; ++step)
        CHECK(rate_at(schedule, 8, step, 10, 4) == Approx(8 * std::pow(0.5, step / 12)));
}

TEST_CASE("a plateau has the rates of PyTorch's ReduceLROnPlateau, also after its state was kept") {
    // ReduceLROnPlateau(SGD of 1, mode="max", factor=0.5, patience=2, threshold=0.01, threshold_mode="abs", min_lr=0.2)
    const double scores[] = {.5, .505, .508, .509, .6, .7, .7, .69, .7, .9,
                             .1, .2,   .3,   .4,   .5, .6, .7, .8,  .85};
    const double expected[] = {1, 1, 1, .5, .5, .5, .5, .5, .25, .25, .25, .25, .2, .2, .2, .2, .2, .2, .2};
    const Schedule schedule =
        schedule_of("name = 'plateau'\nfactor = 0.5\npatience = 2\nthreshold = 0.01\nfinal_fraction = 0.2");
    Plateau plateau;
    Clock clock(30, 10);
    for (std::size_t i = 0; i < std::size(scores); ++i) {
        Plateau kept;
        kept.set(nlohmann::ordered_json::parse(plateau.state().dump()));
        plateau = kept;
        plateau.observe(schedule, scores[i]);
        INFO("epoch " << i);
        CHECK(plateau.reduced() == Approx(expected[i]));
        CHECK(schedule.rate(3, clock, plateau.reduced()) == Approx(3 * expected[i]));
    }
    Plateau blind;  // what has no score is not better
    for (int epoch = 0; epoch < 3; ++epoch) blind.observe(schedule, std::nullopt);
    CHECK(blind.reduced() == 0.5);
}

TEST_CASE("the clock tells epochs by steps alone") {
    Clock clock(2, 3);
    CHECK(clock.steps() == 6);
    CHECK_FALSE(clock.epoch_ended());
    for (int i = 0; i < 3; ++i) clock.advance();
    CHECK(clock.epoch_ended());
    CHECK(clock.epoch() == 1);
    clock.set(5);
    CHECK(clock.step_in_epoch() == 2);
    clock.advance();
    CHECK(clock.done());
}
