#include "staging/deid/date.h"

#include <catch2/catch.hpp>
#include <string>

using namespace staging;

namespace {

std::optional<Day> parsed(const std::string& text) {
    return read_date(core::view(text), Calendar::automatic).day;
}
std::string two(unsigned number) {
    return (number < 10 ? "0" : "") + std::to_string(number);
}

}  // namespace

TEST_CASE("a day is the same day in every way that hospitals write it") {
    const std::string text =
        GENERATE(as<std::string>{}, "20230305", "2023.03.05", "2023-03-05", "2023/3/5", "1120305",
                 "112/03/05", "112-3-5", "112.03.05", "民國 112/03/05", "民國112年3月5日", "01120305",
                 "１１２０３０５", "20230305101500.5+0800", "2023-03-05T10:15:00", "2023/3/5 10:15",
                 " 20230305 ", std::string("20230305\0", 9),
                 "\xA5\xC1\xB0\xEA"
                 "112"
                 "\xA6\x7E"
                 "3"
                 "\xA4\xEB"
                 "5"
                 "\xA4\xE9");  // the same signs in Big5
    CHECK(parsed(text) == day_of(2023, 3, 5));
}

TEST_CASE("what is no date, or no day that a month has, is no date") {
    const std::string text =
        GENERATE(as<std::string>{}, "", " ", "2023", "20230230", "20231301", "20230100", "1120230", "0000305",
                 "00305", "18491231", "22010101", "民國前2年3月5日", "2023-03/05", "2023-03", "2023-03-05-01",
                 "20230305T10", "2023-03-05 late", "20230305T10:xx", "112年3月5", "abc", "A123456789",
                 "王小明", "99999999999999999999");
    CHECK_FALSE(parsed(text));
}

TEST_CASE("every day of two centuries is the same in the Gregorian and the ROC calendar, and comes back") {
    int wrong = 0;
    for (Day day = day_of(1912, 1, 1); day <= day_of(2110, 12, 31); ++day) {
        const Civil civil = civil_of(day);
        const std::string month_day = two(civil.month) + two(civil.day),
                          roc = std::to_string(civil.year - 1911);
        wrong += parsed(std::to_string(civil.year) + month_day) != day;
        wrong += parsed(std::string(3 - roc.size(), '0') + roc + month_day) != day;
        wrong +=
            read_date(core::view(roc + "/" + std::to_string(civil.month) + "/" + std::to_string(civil.day)),
                      Calendar::roc)
                .day != day;
        if (roc.size() == 3)
            wrong += parsed(roc + "/" + std::to_string(civil.month) + "/" + std::to_string(civil.day)) != day;
    }
    CHECK(wrong == 0);
}

TEST_CASE("years are counted as people count them") {
    const Day birth = day_of(1932, 2, 29);
    CHECK(years_between(birth, day_of(2023, 2, 28)) == 90);
    CHECK(years_between(birth, day_of(2023, 3, 1)) == 91);
    CHECK(years_between(birth, birth) == 0);
    CHECK_FALSE(years_between(birth, birth - 1));
}

TEST_CASE("an age string is years, months, weeks or days, and nothing else") {
    const auto age = [](const std::string& text) { return parse_age(core::view(text)); };
    CHECK(age("045Y") == 45);
    CHECK(age("018M") == 1);
    CHECK(age("006W ") == 0);
    CHECK(age("400D") == 1);
    for (const char* years : {"45", "045", "45Y", "045y", "45 Y", " 45", "0045Y"}) CHECK(age(years) == 45);
    for (const char* bad :
         {"", "Y", "-5Y", "4.5Y", "00045Y", "forty", "***", "999Y", "151", "45 years", "45YY"})
        CHECK_FALSE(age(bad));
}

TEST_CASE("what has two readings is told apart from what has none") {
    const auto read = [](const std::string& text, Calendar calendar) {
        return read_date(core::view(text), calendar);
    };
    for (const char* text : {"990520", "99/05/20", "1-1-1", "040101"}) {
        INFO(text);
        CHECK(read(text, Calendar::automatic).ambiguous);
        CHECK_FALSE(read(text, Calendar::automatic).day);
        CHECK(read(text, Calendar::gregorian).ambiguous);
    }
    CHECK(read("990520", Calendar::roc).day == day_of(2010, 5, 20));
    CHECK(read("99/5/20", Calendar::roc).day == day_of(2010, 5, 20));
    CHECK(read("民國99年5月20日", Calendar::automatic).day == day_of(2010, 5, 20));
    CHECK_FALSE(read("991340", Calendar::automatic).ambiguous);
    // ROC 89 was a leap year, 1989 and 2089 are none: one reading.
    CHECK(read("890229", Calendar::automatic).day == day_of(2000, 2, 29));
    // A declaration decides what it speaks of, and no more.
    CHECK(read("20230305", Calendar::roc).day == day_of(2023, 3, 5));
    CHECK_FALSE(read("1120305", Calendar::gregorian).day);
    CHECK_FALSE(read("112/3/5", Calendar::gregorian).day);
}
