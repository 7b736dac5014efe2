#include "core/base/statistics.h"

#include <catch2/catch.hpp>

using core::holm;

TEST_CASE("Holm's correction equals the worked example, and keeps the order") {
    const auto p = holm({0.01, 0.04, 0.03, 0.005});
    CHECK(p[0] == Approx(0.03));
    CHECK(p[1] == Approx(0.06));
    CHECK(p[2] == Approx(0.06));
    CHECK(p[3] == Approx(0.02));
    CHECK(holm({0.6, 0.7}) == std::vector<double>{1, 1});
    CHECK(holm({}).empty());
}
