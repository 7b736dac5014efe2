#include "staging/deid/identity.h"

#include <catch2/catch.hpp>
#include <random>
#include <set>

using namespace staging;

namespace {

std::optional<std::string> id(const std::string& text) {
    return national_id(core::view(text));
}
Pseudonyms pseudonyms(std::uint8_t key = 1) {
    return Pseudonyms(core::SecretKey::from(core::Bytes(32, key)));
}
core::Id16 of(const Pseudonyms& p, const std::string& kind, const std::string& issuer,
              const std::string& value) {
    return p.of(kind, core::view(issuer), core::view(value));
}

}  // namespace

TEST_CASE("a national ID is recognised in every spelling, in its one form") {
    const std::string text = GENERATE(
        as<std::string>{}, "A123456789", "a123456789", " A123456789 ", std::string("A123456789\0", 11),
        "A123-456-789", "A1234 56789", "Ａ１２３４５６７８９", "ａ１２３４５６７８９", "　A123456789",
        "\xA2\xCF\xA2\xB0\xA2\xB1\xA2\xB2\xA2\xB3\xA2\xB4\xA2\xB5\xA2\xB6\xA2\xB7\xA2\xB8");  // Big5
    CHECK(id(text) == "A123456789");
}

TEST_CASE("what is no national ID is none") {
    const std::string text = GENERATE(as<std::string>{}, "", "A123456788", "A12345678", "A1234567890",
                                      "A323456789", "1234567890", "A12345678X", "A1234.56789", "王123456789");
    CHECK_FALSE(id(text));
}

TEST_CASE("of the ten check digits exactly one is right, for citizens and for both kinds of UI number") {
    std::mt19937 random(5);
    for (int i = 0; i < 2000; ++i) {
        std::string text(1, static_cast<char>('A' + random() % 26));
        text += "1289ABCD"[random() % 8];
        for (int k = 0; k < 7; ++k) text += static_cast<char>('0' + random() % 10);
        int right = 0;
        for (char check = '0'; check <= '9'; ++check) right += id(text + check).has_value();
        REQUIRE(right == 1);
    }
}

TEST_CASE("a pseudonym depends on key, kind, issuer and identifier, and on nothing else") {
    const Pseudonyms mine = pseudonyms();
    const core::Id16 one = of(mine, "record-number", "north", "12345");
    CHECK(of(pseudonyms(), "record-number", "north", "12345") == one);
    CHECK(of(mine, "record-number", "south", "12345") != one);
    CHECK(of(mine, "national-id", "north", "12345") != one);
    CHECK(of(mine, "record-number", "north", "12346") != one);
    CHECK(of(pseudonyms(2), "record-number", "north", "12345") != one);
    // Parts do not run together.
    CHECK(of(mine, "k", "ab", "c") != of(mine, "k", "a", "bc"));
    CHECK(of(mine, "k", "", "abc") != of(mine, "k", "abc", ""));
}

TEST_CASE("the shift of a patient's dates is always the same one, into the past, and within bounds") {
    const Pseudonyms mine = pseudonyms();
    std::set<std::int64_t> seen;
    for (int i = 0; i < 3000; ++i) {
        const core::Id16 patient = of(mine, "record-number", "north", std::to_string(i));
        const std::int64_t shift = mine.shift_days(patient, 100);
        REQUIRE(shift <= -1);
        REQUIRE(shift >= -100);
        CHECK(mine.shift_days(patient, 100) == shift);
        seen.insert(shift);
    }
    CHECK(seen.size() == 100);
}

TEST_CASE("patients are spread evenly over the splits, whatever their order") {
    const Pseudonyms mine = pseudonyms();
    int low = 0;
    for (int i = 0; i < 10000; ++i) {
        const core::Id16 patient = of(mine, "record-number", "north", std::to_string(i));
        const double point = mine.split_point(patient);
        REQUIRE(point >= 0);
        REQUIRE(point < 1);
        low += point < 0.25;
    }
    CHECK(low > 2500 - 5 * 44);  // five standard deviations; the draw is fixed by the key
    CHECK(low < 2500 + 5 * 44);
}
