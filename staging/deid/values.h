#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "staging/read/record.h"

namespace staging {

// What the header (or the row) and the path of one file say. A place is a position in Wanted, or kPathBase and more:
// in the names of the delivery's path pattern.
inline constexpr std::size_t kPathBase = std::size_t{1} << 20;
inline constexpr std::size_t kNowhere = ~std::size_t{0};
struct Values {
    const std::vector<std::optional<Value>>& record;
    const std::vector<std::optional<Value>>& path;
    const std::optional<Value>& at(std::size_t place) const;  // kNowhere: absent
};

// US, FD, AT, ...: bytes are numbers, of which none is a padding or a separator.
bool is_binary(const Value& value) noexcept;

// Not there, or nothing but padding. A binary value is there whatever its bytes are: zero is a value.
bool is_absent(const std::optional<Value>& value) noexcept;

// The part that is asked for: `n`-th of several, or (n < 0) the only one. Nothing if the attribute has another number
// of them. Only DICOM's text has several: in a table's field, and in ST, LT, UT and UR, a backslash is a sign like others.
std::optional<std::string_view> text_part(const Value& value, int n) noexcept;

// Of a table of decimal commas: commas and points change places, so that "5,0" is a number, and "1.234", a thousand, none.
void comma_to_point(std::string& text) noexcept;

// A number as it is typed: DS, IS and tables' fields; with a comma for the point if `decimal_comma`. Finite.
std::optional<double> real_part(const Value& value, int n, bool decimal_comma) noexcept;
// A whole number; "1.0" is one.
std::optional<std::int64_t> whole_part(const Value& value, int n, bool decimal_comma) noexcept;

// The part as a code is written: text, or a binary integer in digits.
std::optional<std::string> code_part(const Value& value, int n);

// PS3.5 section 9: digits and dots, at most 64 of them.
bool is_uid(std::string_view text) noexcept;

}  // namespace staging
