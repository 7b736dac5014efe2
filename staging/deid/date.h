#pragma once
#include <cstdint>
#include <optional>

#include "core/base/bytes.h"

namespace staging {

// A day, counted from 1970-01-01 in the Gregorian calendar.
using Day = std::int64_t;

// The day that `raw` writes, if it is a date and nothing else. Understood:
//   DICOM DA          20230305, 2023.03.05 (the form before 1993)
//   ISO, slashes      2023-03-05, 2023/3/5
//   ROC (Minguo)      1120305, 0990305, 990305, 112/03/05, 112-3-5, 112.03.05, 民國 112/03/05,
//                     民國112年3月5日; the signs 民國 and 年月日 in UTF-8 or Big5
// Years before ROC 1 (民前) are refused.
// ROC year 1 is 1912. A number of eight digits is Gregorian, of six or seven ROC. Years outside 1850 to 2200
// and days that no month has are no dates.
std::optional<Day> parse_date(core::ByteView raw);

Day day_of(int year, unsigned month, unsigned day);
struct Civil {
    int year;
    unsigned month, day;
};
Civil civil_of(Day day);

// Whole years from `birth` to `at`, as people count them. Nothing if `at` is before `birth`.
std::optional<std::int64_t> years_between(Day birth, Day at);

// Whole years of a DICOM age string: 045Y, 018M, 006W, 123D.
std::optional<std::int64_t> parse_age(core::ByteView raw);

}  // namespace staging
