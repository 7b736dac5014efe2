#include "staging/deid/date.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>

#include "staging/deid/identity.h"
#include "staging/read/record.h"

namespace staging {
namespace {

struct Sign {
    std::string_view bytes;
    char meaning;  // 'R' the ROC era, 'y' 'm' 'd' what stands before it, ' ' nothing
};
constexpr Sign kSigns[] = {
    {"\xE6\xB0\x91\xE5\x9C\x8B", 'R'},  // UTF-8
    {"\xE6\xB0\x91\xE5\x9B\xBD", 'R'},  // simplified
    {"\xE5\xB9\xB4", 'y'},
    {"\xE6\x9C\x88", 'm'},
    {"\xE6\x97\xA5", 'd'},
    {"\xE3\x80\x80", ' '},
    {"\xA5\xC1\xB0\xEA", 'R'},  // Big5
    {"\xA6\x7E", 'y'},
    {"\xA4\xEB", 'm'},
    {"\xA4\xE9", 'd'},
    {"\xA1\x40", ' '},
};

// `raw` with the signs above as single characters; nothing if another sign is in it.
std::optional<std::string> in_ascii(core::ByteView raw) {
    const std::string narrow = narrowed(raw);
    std::string_view rest = trimmed(narrow);
    std::string out;
    while (!rest.empty() && out.size() <= 40) {
        if (static_cast<unsigned char>(rest[0]) < 0x80) {
            const bool used = (rest[0] >= '0' && rest[0] <= '9') ||
                              std::string_view("/-. :T+").find(rest[0]) != std::string_view::npos;
            if (!used) return std::nullopt;
            out += rest[0];
            rest.remove_prefix(1);
            continue;
        }
        const auto* sign = std::find_if(std::begin(kSigns), std::end(kSigns),
                                        [&](const Sign& s) { return rest.starts_with(s.bytes); });
        if (sign == std::end(kSigns)) return std::nullopt;
        out += sign->meaning;
        rest.remove_prefix(sign->bytes.size());
    }
    if (out.size() > 40) return std::nullopt;
    return out;
}

std::optional<Day> checked(std::int64_t year, std::int64_t month, std::int64_t day) {
    if (year < 1850 || year > 2200 || month < 1 || month > 12 || day < 1 || day > 31) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)),
                                           std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    if (!date.ok()) return std::nullopt;
    return std::chrono::sys_days(date).time_since_epoch().count();
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Takes the digits at the front off `text`.
std::string_view digits_of(std::string_view& text) {
    std::size_t count = 0;
    while (count < text.size() && is_digit(text[count])) ++count;
    const std::string_view digits = text.substr(0, count);
    text.remove_prefix(count);
    return digits;
}

std::int64_t number(std::string_view digits) {
    std::int64_t value = 0;
    for (const char c : digits) value = value * 10 + (c - '0');
    return value;
}

// Whether `rest`, which follows a date, is a time of day: "", "101500.5+0800" (DT), " 10:15", "T10:15:00Z".
bool is_time(std::string_view rest, bool after_plain_digits) {
    if (rest.empty()) return true;
    if (rest[0] != ' ' && rest[0] != 'T' && !after_plain_digits) return false;
    const bool separated = rest[0] == ' ' || rest[0] == 'T';
    if (separated) rest.remove_prefix(1);
    const std::string_view first = digits_of(rest);
    if (separated ? first.size() > 2 || !rest.starts_with(':') : first.size() % 2 || first.size() > 6)
        return false;
    return !first.empty() && rest.find_first_not_of("0123456789:.+-") == std::string_view::npos;
}

DateText one(std::optional<Day> day) {
    return {day, false};
}

// A year that can be of either calendar, with month and day.
DateText short_year(std::int64_t year, std::int64_t month, std::int64_t day, bool roc) {
    const auto minguo = year > 0 ? checked(year + 1911, month, day) : std::nullopt;
    if (roc) return one(minguo);
    const bool gregorian = checked(1900 + year, month, day) || checked(2000 + year, month, day);
    if (!gregorian) return one(minguo);
    return {std::nullopt, true};
}

DateText plain_digits(std::string_view all, bool roc, bool signed_roc) {
    if (all.size() == 8 && all[0] != '0' && !roc)
        return one(checked(number(all.substr(0, 4)), number(all.substr(4, 2)), number(all.substr(6))));
    if (all.size() == 8 && (all[0] != '0' || signed_roc)) return {};
    if (all.size() < 6 || all.size() > 8) return {};
    const std::size_t width = all.size() - 4;
    const std::int64_t year = number(all.substr(0, width)), month = number(all.substr(width, 2)),
                       day = number(all.substr(width + 2));
    if (year == 0) return {};
    if (width == 2) return short_year(year, month, day, roc);
    return one(checked(year + 1911, month, day));
}

}  // namespace

DateText read_date(core::ByteView raw, Calendar calendar) {
    const auto text = in_ascii(raw);
    if (!text) return {};
    std::string_view rest = *text;
    const bool signed_roc = rest.starts_with('R');
    if (signed_roc) {
        rest.remove_prefix(1);
        while (rest.starts_with(' ')) rest.remove_prefix(1);
    }
    const bool roc = signed_roc || calendar == Calendar::roc;
    const std::string_view year = digits_of(rest);
    if (year.size() >= 6) {
        // DT writes the time behind the day without a sign between them.
        const bool has_time = year.size() == 10 || year.size() == 12 || year.size() == 14;
        if (has_time ? !(rest.empty() || is_time("00" + std::string(rest), true)) : !is_time(rest, false))
            return {};
        const std::string_view day = has_time ? year.substr(0, 8) : year;
        // A delivery that declares ROC still has eight digits where a machine wrote them.
        if (day.size() == 8 && day[0] != '0' && !signed_roc) return plain_digits(day, false, false);
        const bool only_roc = day.size() == 7 || day.size() == 8;
        if (only_roc && !roc && calendar == Calendar::gregorian) return {};
        return plain_digits(day, roc, signed_roc);
    }
    const auto separator = [&]() -> char {
        if (rest.empty()) return '\0';
        const char sign = rest[0];
        rest.remove_prefix(1);
        while (sign >= 'd' && rest.starts_with(' ')) rest.remove_prefix(1);
        return sign;
    };
    const char first = separator();
    const std::string_view month = digits_of(rest);
    const char second = separator();
    const std::string_view day = digits_of(rest);
    if (first == 'y') {
        if (second != 'm' || separator() != 'd') return {};
    } else if (first != second || std::string_view("/-.").find(first) == std::string_view::npos) {
        return {};
    }
    if (year.empty() || month.empty() || day.empty() || month.size() > 2 || day.size() > 2) return {};
    if (!is_time(rest, false)) return {};
    const std::int64_t y = number(year), m = number(month), d = number(day);
    if (year.size() == 4 && y > 999 && !signed_roc) return one(checked(y, m, d));
    if (year.size() > 3 || y == 0) return {};
    if (year.size() < 3) return short_year(y, m, d, roc);
    if (!roc && calendar == Calendar::gregorian) return {};
    return one(checked(y + 1911, m, d));
}

Day day_of(int year, unsigned month, unsigned day) {
    return std::chrono::sys_days(std::chrono::year(year) / month / day).time_since_epoch().count();
}

Civil civil_of(Day day) {
    const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
    return {static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
            static_cast<unsigned>(date.day())};
}

std::optional<std::int64_t> years_between(Day birth, Day at) {
    if (at < birth) return std::nullopt;
    const Civil b = civil_of(birth), a = civil_of(at);
    const bool had_birthday = a.month > b.month || (a.month == b.month && a.day >= b.day);
    return a.year - b.year - (had_birthday ? 0 : 1);
}

std::optional<std::int64_t> parse_age(core::ByteView raw) {
    const std::string narrow = narrowed(raw);
    std::string_view text = trimmed(narrow);
    const std::string_view digits = digits_of(text);
    while (text.starts_with(' ')) text.remove_prefix(1);
    if (digits.empty() || digits.size() > 4 || text.size() > 1) return std::nullopt;
    const std::int64_t value = number(digits);
    std::int64_t years = 0;
    switch (text.empty() ? 'Y' : text[0]) {
        case 'Y':
        case 'y':
            years = value;
            break;
        case 'M':
        case 'm':
            years = value / 12;
            break;
        case 'W':
        case 'w':
            years = value * 7 / 365;
            break;
        case 'D':
        case 'd':
            years = value / 365;
            break;
        default:
            return std::nullopt;
    }
    return years <= 150 ? std::optional(years) : std::nullopt;
}

}  // namespace staging
