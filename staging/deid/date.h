#pragma once
#include <cstdint>
#include <optional>

#include "core/base/bytes.h"

namespace staging {

// A day, counted from 1970-01-01 in the Gregorian calendar.
using Day = std::int64_t;

// In which calendar a delivery writes its dates. `automatic`: only what has one reading counts.
enum class Calendar : std::uint8_t { automatic, roc, gregorian };

// What a text says of a day. Neither a day nor ambiguous: it is no date.
struct DateText {
    std::optional<Day> day;
    bool ambiguous = false;  // several days are plausible, and nobody has declared which
};

// Reads a date that is a date and nothing else, but for a time of day behind it. Understood:
//   DICOM DA and DT   20230305, 2023.03.05 (the form before 1993), 20230305101500.000+0800
//   ISO, slashes      2023-03-05, 2023/3/5, 2023-03-05T10:15:00
//   ROC (Minguo)      1120305, 0990305, 01120305, 112/03/05, 112-3-5, 民國 112/03/05, 民國112年3月5日; the signs
//                     民國 and 年月日 in UTF-8 or Big5, digits of full width too
// ROC year 1 is 1912; years before it (民前) are refused. Seven digits, or a year of three, are ROC; eight digits
// and years of four are Gregorian. Six digits, and years of two (990520, 99/05/20), can be ROC 99 or 1999: they
// are ambiguous unless the calendar is declared ROC or 民國 stands before them. Years outside 1850 to 2200 and
// days that no month has are no dates.
DateText read_date(core::ByteView raw, Calendar calendar);

Day day_of(int year, unsigned month, unsigned day);
struct Civil {
    int year;
    unsigned month, day;
};
Civil civil_of(Day day);

// Whole years from `birth` to `at`, as people count them. Nothing if `at` is before `birth`.
std::optional<std::int64_t> years_between(Day birth, Day at);

// Whole years of an age as it is typed: 045Y, 018M, 006W, 123D (PS3.5 section 6.2), and without the unit or the
// leading zeros, or with a small letter: 45, 045, 45Y, 045y. Nothing above 150 years.
std::optional<std::int64_t> parse_age(core::ByteView raw);

}  // namespace staging
