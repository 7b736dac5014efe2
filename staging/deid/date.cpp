#include "staging/deid/date.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "staging/deid/identity.h"

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

// `raw` with the signs above as single characters; nothing if another non-ASCII byte is in it.
std::optional<std::string> in_ascii(core::ByteView raw) {
    std::string_view rest = core::text(without_padding(raw));
    std::string out;
    while (!rest.empty()) {
        if (static_cast<unsigned char>(rest[0]) < 0x80) {
            const bool used = (rest[0] >= '0' && rest[0] <= '9') ||
                              std::string_view("/-. ").find(rest[0]) != std::string_view::npos;
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
    if (out.size() > 32) return std::nullopt;
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

}  // namespace

std::optional<Day> parse_date(core::ByteView raw) {
    const auto text = in_ascii(raw);
    if (!text) return std::nullopt;
    std::string_view rest = *text;
    bool roc = false;
    if (rest.starts_with('R')) {
        roc = true;
        rest.remove_prefix(1);
        while (rest.starts_with(' ')) rest.remove_prefix(1);
    }
    std::array<std::string_view, 3> part;
    std::string separators;
    std::size_t count = 0;
    while (!rest.empty()) {
        std::size_t digits = 0;
        while (digits < rest.size() && is_digit(rest[digits])) ++digits;
        if (digits == 0 || count == 3) return std::nullopt;
        part[count++] = rest.substr(0, digits);
        rest.remove_prefix(digits);
        if (rest.empty()) break;
        const char separator = rest[0];
        rest.remove_prefix(1);
        if (separator == ' ' || separator == 'R') return std::nullopt;
        separators += separator;
        while (separator >= 'd' && rest.starts_with(' ')) rest.remove_prefix(1);
    }
    const auto number = [](std::string_view digits) {
        std::int64_t value = 0;
        for (const char c : digits) value = value * 10 + (c - '0');
        return value;
    };
    if (count == 1 && separators.empty()) {
        const std::string_view all = part[0];
        if (all.size() == 8 && !roc)
            return checked(number(all.substr(0, 4)), number(all.substr(4, 2)), number(all.substr(6)));
        if (all.size() != 6 && all.size() != 7) return std::nullopt;
        const std::size_t year_digits = all.size() - 4;
        const std::int64_t year = number(all.substr(0, year_digits));
        if (year == 0) return std::nullopt;
        return checked(year + 1911, number(all.substr(year_digits, 2)), number(all.substr(year_digits + 2)));
    }
    const bool same_signs = separators.size() == 2 && separators[0] == separators[1] && separators[0] < 'a';
    if (count != 3 || !(same_signs || separators == "ymd")) return std::nullopt;
    if (part[1].size() > 2 || part[2].size() > 2) return std::nullopt;
    std::int64_t year = number(part[0].substr(0, 4));
    if (part[0].size() == 4 && !roc && year > 999) return checked(year, number(part[1]), number(part[2]));
    if (part[0].size() > 3 || year == 0) return std::nullopt;
    return checked(year + 1911, number(part[1]), number(part[2]));
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
    const std::string_view text = core::text(without_padding(raw));
    if (text.size() < 2 || text.size() > 4 || !std::all_of(text.begin(), text.end() - 1, is_digit))
        return std::nullopt;
    std::int64_t value = 0;
    for (const char c : text.substr(0, text.size() - 1)) value = value * 10 + (c - '0');
    switch (text.back()) {
        case 'Y':
            return value;
        case 'M':
            return value / 12;
        case 'W':
            return value * 7 / 365;
        case 'D':
            return value / 365;
        default:
            return std::nullopt;
    }
}

}  // namespace staging
