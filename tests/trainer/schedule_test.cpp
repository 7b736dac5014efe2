#include "trainer/engine/schedule.h"

#include <catch2/catch.hpp>

#include "trainer/engine/clock.h"

using namespace trainer;

TEST_CASE("the rate climbs in the warm-up, then falls along a cosine to its final fraction") {
    const Schedule schedule =
        Schedule::from(core::Config::parse("warmup_steps = 10\nfinal_fraction = 0.1", "f"));
    CHECK(schedule.rate(2, 0, 110) == Approx(0.2));
    CHECK(schedule.rate(2, 9, 110) == Approx(2));
    CHECK(schedule.rate(2, 10, 110) == Approx(2));
    CHECK(schedule.rate(2, 60, 110) == Approx(1.1));
    CHECK(schedule.rate(2, 110, 110) == Approx(0.2));
    for (int step = 11; step < 110; ++step)
        CHECK(schedule.rate(2, step, 110) < schedule.rate(2, step - 1, 110));
}

TEST_CASE("a constant rate stays, and bad settings are refused") {
    const Schedule schedule = Schedule::from(core::Config::parse("name = 'constant'", "f"));
    CHECK(schedule.rate(3, 0, 10) == 3);
    CHECK(schedule.rate(3, 9, 10) == 3);
    CHECK_THROWS(Schedule::from(core::Config::parse("name = 'linear'", "f")));
    CHECK_THROWS(Schedule::from(core::Config::parse("warmup_steps = -1", "f")));
    CHECK_THROWS(Schedule::from(core::Config::parse("final_fraction = 2", "f")));
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
