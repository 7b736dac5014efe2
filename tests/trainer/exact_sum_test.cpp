#include "trainer/data/exact_sum.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

using trainer::ExactSum;

TEST_CASE("a sum is exact where doubles are not") {
    ExactSum sum;
    for (const double value : {1e300, 1.0, -1e300, 1e-300, -1e-300, 0.0, -0.25}) sum.add(value);
    CHECK(sum.value() == 0.75);
}

TEST_CASE("a sum does not depend on the order, nor on how it was cut into parts") {
    std::mt19937_64 random(5);
    std::vector<double> values;
    for (int i = 0; i < 5000; ++i)
        values.push_back(
            std::ldexp(static_cast<double>(random() >> 11) - 0x1p52, static_cast<int>(random() % 80) - 90));
    ExactSum whole;
    for (const double value : values) whole.add(value);
    std::shuffle(values.begin(), values.end(), random);
    ExactSum parts[3];
    for (std::size_t i = 0; i < values.size(); ++i) parts[i % 3].add(values[i]);
    for (int part = 1; part < 3; ++part)
        for (std::size_t i = 0; i < ExactSum::kBins; ++i) parts[0].bins()[i] += parts[part].bins()[i];
    CHECK(parts[0].value() == whole.value());
    CHECK(parts[0].bins() == whole.bins());
}

TEST_CASE("the largest and the smallest doubles have a place") {
    ExactSum sum;
    for (const double value : {1.7976931348623157e308, 5e-324, -1.7976931348623157e308}) sum.add(value);
    CHECK(sum.value() == 5e-324);
}
