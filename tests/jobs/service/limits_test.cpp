#include "jobs/service/limits.h"

#include <catch2/catch.hpp>

using namespace jobs;

TEST_CASE("an account that asks too much is refused, alone, until time has passed") {
    TokenBuckets rates(10, 20);
    int taken = 0;
    for (int i = 0; i < 100; ++i) taken += rates.take(1, 1, 0);
    CHECK(taken == 20);
    CHECK(rates.take(2, 20, 0));
    CHECK_FALSE(rates.take(1, 1, 99));
    CHECK(rates.take(1, 1, 100));
    CHECK_FALSE(rates.take(1, 1, 100));
    CHECK_FALSE(rates.take(1, 1, 50));  // time that runs backwards gives nothing
    CHECK(rates.take(1, 20, 1'000'000));
    CHECK_FALSE(rates.take(1, 1, 1'000'000));
}

TEST_CASE("accounts that are quiet again take no memory") {
    TokenBuckets rates(10, 20);
    for (uid_t account = 0; account < 1000; ++account) rates.take(account, 1, 0);
    rates.forget(50);
    CHECK(rates.size() == 1000);
    rates.forget(100);
    CHECK(rates.size() == 0);
}

TEST_CASE("refusals are counted by account and operation, and told once") {
    Refusals refusals;
    CHECK(refusals.is_empty());
    CHECK(refusals.count("carol", "key.seal"));
    for (int i = 0; i < 9; ++i) CHECK_FALSE(refusals.count("carol", "key.seal"));
    CHECK(refusals.count("carol", "usage"));
    const auto counts = refusals.take();
    CHECK(counts.at("carol") == nlohmann::json{{"key.seal", 10}, {"usage", 1}});
    CHECK(refusals.is_empty());
    CHECK(refusals.count("carol", "key.seal"));
}
