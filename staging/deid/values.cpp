#include "staging/deid/values.h"

#include <algorithm>
#include <cmath>

#include "staging/read/dicom/dictionary.h"

namespace staging {
namespace {

bool is_one_of(const Value& value, std::initializer_list<const char*> list) {
    return std::any_of(list.begin(), list.end(),
                       [&](const char* vr) { return value.vr[0] == vr[0] && value.vr[1] == vr[1]; });
}

// Which word of a binary value the rule speaks of.
std::optional<std::size_t> word_index(const Value& value, int n) {
    const std::size_t words = value.bytes.size() / word_bytes(value.vr);
    if (n >= 0) return static_cast<std::size_t>(n) < words ? std::optional<std::size_t>(n) : std::nullopt;
    return words == 1 ? std::optional<std::size_t>(0) : std::nullopt;
}

}  // namespace

const std::optional<Value>& Values::at(std::size_t place) const {
    static const std::optional<Value> kNone;
    if (place == kNowhere) return kNone;
    if (place < kPathBase) return record.at(place);
    return place - kPathBase < path.size() ? path[place - kPathBase] : kNone;
}

bool is_binary(const Value& value) noexcept {
    return word_bytes(value.vr) != 1;
}

bool is_absent(const std::optional<Value>& value) noexcept {
    if (!value) return true;
    return is_binary(*value) ? value->bytes.empty() : trimmed(value->bytes).empty();
}

std::optional<std::string_view> text_part(const Value& value, int n) noexcept {
    if (is_binary(value)) return std::nullopt;
    const bool one = is_one_of(value, {"UT", "ST", "LT", "UR"});
    if (one) return n <= 0 ? std::optional(trimmed(value.bytes)) : std::nullopt;
    if (n >= 0) return part(value.bytes, static_cast<std::size_t>(n));
    if (value.bytes.find('\\') != std::string::npos) return std::nullopt;
    return trimmed(value.bytes);
}

namespace {

// One number's text: number() takes a backslash for the end of one, and in a table it is a sign of none.
std::optional<std::string_view> number_text(const Value& value, int n) noexcept {
    const auto text = text_part(value, n);
    return text && text->find('\\') == std::string_view::npos ? text : std::nullopt;
}

}  // namespace

void comma_to_point(std::string& text) noexcept {
    for (char& sign : text) sign = sign == ',' ? '.' : sign == '.' ? ',' : sign;
}

std::optional<double> real_part(const Value& value, int n, bool decimal_comma) noexcept {
    if (is_binary(value)) {
        const auto index = word_index(value, n);
        return index ? number(value, *index) : std::nullopt;
    }
    const auto text = number_text(value, n);
    if (!text) return std::nullopt;
    Value one{std::string(*text), {'D', 'S'}, {}};
    // DICOM's own point stays one (PS3.5, table 6.2-1).
    if (decimal_comma && (value.vr == Vr{'U', 'T'} || one.bytes.find('.') == std::string::npos))
        comma_to_point(one.bytes);
    return number(one);
}

std::optional<std::int64_t> whole_part(const Value& value, int n, bool decimal_comma) noexcept {
    if (is_binary(value)) {
        const auto index = word_index(value, n);
        return index ? integer(value, *index) : std::nullopt;
    }
    const auto text = number_text(value, n);
    if (!text) return std::nullopt;
    if (const auto whole = integer({std::string(*text), {'I', 'S'}, {}})) return whole;
    const auto real = real_part(value, n, decimal_comma);
    if (!real || std::trunc(*real) != *real || std::abs(*real) > 9007199254740992.0) return std::nullopt;
    return static_cast<std::int64_t>(*real);
}

std::optional<std::string> code_part(const Value& value, int n) {
    if (!is_binary(value)) {
        const auto text = text_part(value, n);
        return text ? std::optional<std::string>(*text) : std::nullopt;
    }
    const auto index = word_index(value, n);
    const auto whole = index ? integer(value, *index) : std::nullopt;
    return whole ? std::optional(std::to_string(*whole)) : std::nullopt;
}

bool is_uid(std::string_view text) noexcept {
    return !text.empty() && text.size() <= 64 &&
           text.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace staging
