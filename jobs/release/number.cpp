#include "jobs/release/number.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace jobs {
namespace {

constexpr double kWholeLimit = 1e10, kLimit = 1e12, kNothing = 1e-12;
constexpr int kDigits = 6;

bool is_decimal(std::string_view text) {
    std::size_t at = 0;
    const auto digits = [&] {
        const std::size_t from = at;
        while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
        return at > from;
    };
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    const bool before = digits();
    bool after = false;
    if (at < text.size() && text[at] == '.') {
        ++at;
        after = digits();
    }
    if (!before && !after) return false;
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        ++at;
        if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
        if (!digits()) return false;
    }
    return at == text.size();
}

}  // namespace

void Number::settle() {
    whole_ = std::floor(value_) == value_ && std::abs(value_) < kWholeLimit;
    if (whole_) {
        integer_ = static_cast<std::int64_t>(value_);
        value_ = static_cast<double>(integer_);  // no -0
        decimals_ = 0;
    } else {
        const int magnitude = static_cast<int>(std::floor(std::log10(std::abs(value_))));
        decimals_ = std::max(0, kDigits - 1 - magnitude);
        // Trailing zeros are no digits.
        while (decimals_ > 0) {
            const double scale = std::pow(10, decimals_ - 1);
            const double shorter = std::round(value_ * scale) / scale;
            if (std::abs(shorter - value_) > std::abs(value_) * 1e-9) break;
            --decimals_;
        }
    }
}

std::optional<Number> Number::from(double value) {
    if (!std::isfinite(value) || std::abs(value) >= kLimit) return std::nullopt;
    Number number;
    if (std::floor(value) == value) {
        if (std::abs(value) >= kWholeLimit) return std::nullopt;
        number.value_ = value;
    } else if (std::abs(value) >= kNothing) {
        std::array<char, 40> buffer{};
        std::snprintf(buffer.data(), buffer.size(), "%.*g", kDigits, value);
        number.value_ = std::strtod(buffer.data(), nullptr);
        if (std::abs(number.value_) >= kWholeLimit) return std::nullopt;
    }
    number.settle();
    number.least_ = number.most_ = number.value_;
    return number;
}

std::optional<Number> Number::from(std::int64_t value) {
    if (value <= -static_cast<std::int64_t>(kWholeLimit) || value >= static_cast<std::int64_t>(kWholeLimit))
        return std::nullopt;
    return from(static_cast<double>(value));
}

void Number::round_to_step(double step, double top) {
    constexpr double kNext = 2e-6;  // as near as a figure of six digits comes to 0 and 1 without being that
    const double exact = value_;
    const auto nearest = [&](double multiple) {
        std::array<char, 64> buffer{};
        std::snprintf(buffer.data(), buffer.size(), "%.*g", kDigits, multiple * step);
        return std::strtod(buffer.data(), nullptr);
    };
    value_ = nearest(std::round(exact / step));
    const double below = exact - least_, above = most_ - exact;  // of an earlier rounding
    const bool is_at_0 = value_ == 0 && exact != 0, is_at_top = value_ == top && exact != top;
    if (is_at_0) value_ = exact < 0 ? -step : step;
    if (is_at_top) value_ = nearest(std::round(top / step) - 1);
    least_ = value_ - step / 2 - below;
    most_ = value_ + step / 2 + above;
    if (is_at_0 && exact > 0) least_ = std::min(kNext, step / 4);
    if (is_at_0 && exact < 0) most_ = -std::min(kNext, step / 4);
    if (is_at_top) most_ = top - std::min(kNext * top, step / 4);
    settle();
}

std::string Number::text() const {
    if (whole_) return std::to_string(integer_);
    std::array<char, 40> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value_);
    return {buffer.data(), end.ptr};
}

std::uint64_t Number::bits() const noexcept {
    // Whole: ten digits and a sign. Others: six digits (20 bits), a sign, 24 places of the point.
    return whole_ ? 35 : 26;
}

Looks read_number(std::string_view text, std::optional<Number>& out) {
    out.reset();
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    if (!is_decimal(text)) return Looks::no_number;
    out = Number::from(std::strtod(std::string(text).c_str(), nullptr));
    return out ? Looks::number : Looks::too_large;
}

}  // namespace jobs
