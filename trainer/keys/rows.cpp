#include "trainer/keys/rows.h"

#include <algorithm>
#include <cmath>

#include "core/base/split.h"

namespace trainer {
namespace {

using Type = Allowed::Type;

bool is_of_numbers(Type type) {
    return type == Type::integer || type == Type::integers || type == Type::number || type == Type::numbers;
}

std::string number(double value) {
    if (value == std::floor(value) && std::abs(value) < 1e15)
        return std::to_string(static_cast<std::int64_t>(value));
    return nlohmann::json(value).dump();
}

// The next number on the way to `beyond`, if it is the shorter one to write.
Allowed::End end_at(double last, double beyond) {
    const double next = std::nextafter(last, beyond);
    const auto length = [](double value) { return nlohmann::json(value).dump().size(); };
    const bool is_open = std::isfinite(last) && std::isfinite(next) && length(next) < length(last);
    return {is_open ? next : last, is_open};
}

// "0 to below 1", "1 or more", "" if any.
std::string range(const Allowed& allowed) {
    const auto [least, is_above] = allowed.beginning();
    const auto [most, is_below] = allowed.end();
    const std::string from = (is_above ? "above " : "") + number(least),
                      to = (is_below ? "below " : "") + number(most);
    const bool has_end = most < kFinite;
    if (least == -kEndless) return has_end ? to + (is_below ? "" : " or less") : "";
    if (has_end) return from + " to " + to;
    return is_above ? from : from + " or more";
}

// "a", "b" or "c", with their quotes.
std::string choice(std::string_view words) {
    const auto all = core::split(words, ' ');
    std::string out;
    for (std::size_t i = 0; i < all.size(); ++i)
        out += (i == 0 ? "\"" : i + 1 == all.size() ? " or \"" : ", \"") + all[i] + '"';
    return out;
}

}  // namespace

bool names(std::string_view words, std::string_view word) {
    const auto all = core::split(words, ' ');
    return std::find(all.begin(), all.end(), word) != all.end();
}

bool Allowed::holds(std::string_view word) const {
    return words.empty() || names(words, word);
}

Allowed::End Allowed::beginning() const {
    return end_at(least, -kEndless);
}

Allowed::End Allowed::end() const {
    return end_at(most, kEndless);
}

std::string Allowed::refusal() const {
    if (!words.empty()) return "expected " + choice(words);
    const std::string between = range(*this);
    const bool is_closed = least > -kEndless && most < kFinite;
    return (is_closed ? "out of range: expected " : "expected ") + (between.empty() ? "a number" : between);
}

std::string Allowed::limits() const {
    if (!words.empty()) return choice(words);
    return is_of_numbers(type) ? range(*this) : "";
}

std::string Allowed::text() const {
    static constexpr const char* kTexts[] = {"a text",
                                             "a list of texts",
                                             "a text or a list of texts",
                                             "an integer",
                                             "a list of integers",
                                             "a number",
                                             "a list of numbers",
                                             "true or false",
                                             "a table"};
    std::string out = kTexts[static_cast<std::size_t>(type)];
    const std::string limits = this->limits();
    if (!words.empty()) return type == Type::text ? limits : out + ": " + limits;
    return limits.empty() ? out : out + ", " + limits;
}

std::string name_of(Type type) {
    static constexpr const char* kNames[] = {"text",   "texts",   "text or texts", "integer", "integers",
                                             "number", "numbers", "flag",          "table"};
    return kNames[static_cast<std::size_t>(type)];
}

std::string name_of(Counts counts) {
    static constexpr const char* kNames[] = {"weights", "selection", "figures", "nothing"};
    return kNames[static_cast<std::size_t>(counts)];
}

std::string meaning_of(Counts counts) {
    static constexpr const char* kMeanings[] = {
        "another value is another run",
        "may change when a run goes on, unless the schedule is \"plateau\", which follows the score",
        "may change when a run goes on; then other figures or weights are kept",
        "may change when a run goes on, and changes no weight and no figure"};
    return kMeanings[static_cast<std::size_t>(counts)];
}

KeyRow row(std::string_view path, Allowed allowed, nlohmann::ordered_json otherwise, std::string_view unit,
           std::string_view meaning, std::int64_t since, Counts counts) {
    KeyRow out;
    const std::size_t dot = path.rfind('.');
    out.table = dot == std::string_view::npos ? "" : path.substr(0, dot);
    out.name = dot == std::string_view::npos ? path : path.substr(dot + 1);
    out.allowed = allowed;
    out.otherwise = std::move(otherwise);
    out.unit = unit;
    out.meaning = meaning;
    out.since = since;
    out.counts = counts;
    return out;
}

}  // namespace trainer
