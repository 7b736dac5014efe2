#include "staging/read/record.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <utility>

#include "staging/read/dicom/dictionary.h"

namespace staging {
namespace {

constexpr std::string_view kNames[] = {"none",   "uint8", "int8",    "uint16", "int16",
                                       "uint32", "int32", "float32", "float64"};
constexpr std::size_t kBytes[] = {0, 1, 1, 2, 2, 4, 4, 4, 8};

// Text numbers as DS and IS write them: a sign may be '+', which from_chars does not take.
template <class Number>
std::optional<Number> parse(std::string_view text) noexcept {
    if (text.size() > 1 && text.front() == '+' && text[1] != '-') text.remove_prefix(1);
    Number value{};
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

template <class Number>
std::optional<Number> word(const Value& value, std::size_t n) noexcept {
    if (n >= value.bytes.size() / sizeof(Number)) return std::nullopt;
    Number number;  // little endian, as this machine is: see worker.cpp
    std::memcpy(&number, value.bytes.data() + n * sizeof number, sizeof number);
    return number;
}

template <class Result>
std::optional<Result> numeric(const Value& value, std::size_t n) noexcept {
    const auto is = [&](const char* vr) { return value.vr[0] == vr[0] && value.vr[1] == vr[1]; };
    const auto to = [](auto binary) -> std::optional<Result> {
        if (!binary) return std::nullopt;
        if constexpr (std::is_integral_v<Result>) {
            if constexpr (std::is_floating_point_v<typename decltype(binary)::value_type>)
                return std::nullopt;
            else if (!std::in_range<Result>(*binary))
                return std::nullopt;
        }
        return static_cast<Result>(*binary);
    };
    if (is("US")) return to(word<std::uint16_t>(value, n));
    if (is("SS")) return to(word<std::int16_t>(value, n));
    if (is("UL")) return to(word<std::uint32_t>(value, n));
    if (is("SL")) return to(word<std::int32_t>(value, n));
    if (is("UV")) return to(word<std::uint64_t>(value, n));
    if (is("SV")) return to(word<std::int64_t>(value, n));
    if (is("FL")) return to(word<float>(value, n));
    if (is("FD")) return to(word<double>(value, n));
    if (word_bytes(value.vr) != 1) return std::nullopt;
    const auto text = part(value.bytes, n);
    return text ? parse<Result>(*text) : std::nullopt;
}

}  // namespace

std::size_t pixel_type_bytes(PixelType type) noexcept {
    const auto index = static_cast<std::size_t>(type);
    return index < std::size(kBytes) ? kBytes[index] : 0;
}

std::string_view pixel_type_name(PixelType type) noexcept {
    const auto index = static_cast<std::size_t>(type);
    return index < std::size(kNames) ? kNames[index] : "none";
}

std::string_view trimmed(std::string_view value) noexcept {
    while (!value.empty() && (value.back() == ' ' || value.back() == '\0')) value.remove_suffix(1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    return value;
}

std::optional<std::string_view> part(std::string_view value, std::size_t n) noexcept {
    for (; n; --n) {
        const auto at = value.find('\\');
        if (at == std::string_view::npos) return std::nullopt;
        value.remove_prefix(at + 1);
    }
    return trimmed(value.substr(0, value.find('\\')));
}

std::optional<double> number(const Value& value, std::size_t n) noexcept {
    const auto found = numeric<double>(value, n);
    return found && std::isfinite(*found) ? found : std::nullopt;
}

std::optional<std::int64_t> integer(const Value& value, std::size_t n) noexcept {
    return numeric<std::int64_t>(value, n);
}

}  // namespace staging
