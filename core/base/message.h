#pragma once
#include <fmt/core.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/error.h"

namespace core {

// What is said to people: an English format, by which its translations are found too, and what stands in its places, {} each. Who
// makes one need not know the reader's language: a service hands it on as it is (jobs/wire/channel).
struct Message {
    std::string format;
    std::vector<std::string> places;

    // Never throws: what does not fit is told as its bare format.
    std::string english() const;
    // Whether the format is sound and has so many places, each once.
    bool fits() const;
};

// What may stand in a place, as text.
template <class T>
std::string place_of(const T& value) {
    if constexpr (std::is_arithmetic_v<T>)
        return std::to_string(value);
    else if constexpr (std::is_same_v<T, std::filesystem::path>)
        return value.string();
    else
        return std::string(std::string_view(value));
}
template <class>
using AsPlace = std::string;

// `format` is a literal: xgettext collects it from the sources (jobs/cli/languages), the compiler counts its places.
template <class... Places>
Message message(fmt::format_string<AsPlace<Places>...> format, const Places&... places) {
    const fmt::string_view text = format;
    return {std::string(text.data(), text.size()), {place_of(places)...}};
}

// A literal that is translated elsewhere, where it is a variable: marks it for xgettext, and is nothing else.
constexpr std::string_view marked(std::string_view text) {
    return text;
}

// An Error that can be told in other languages. what() is English, as logs and --json have it.
class ToldError : public Error {
public:
    ToldError(Fault fault, Message told) : Error(fault, told.english()), message_(std::move(told)) {}
    const Message& message() const noexcept { return message_; }

private:
    Message message_;
};
template <class... Places>
ToldError failure(Fault fault, fmt::format_string<AsPlace<Places>...> format, const Places&... places) {
    return {fault, message<Places...>(format, places...)};
}

// Any Error, as one that can be told: in other languages if it is one of those, else as it is.
ToldError told(const Error& error);

// "No such file or directory", as with_errno ends.
std::string reason_of(int errno_value);

// From now on `translated` speaks the language that LC_ALL, LC_MESSAGES, LANG and LANGUAGE ask for (POSIX.1-2017, 8.2; GNU gettext), if
// `folder` has a catalogue LANGUAGE/LC_MESSAGES/aloft.mo of it and the locale's characters are UTF-8. The process's locale stays
// as it is: numbers, sorting and the system's own texts do not change. Called once, before threads start, by programs that
// people type; a service never calls it.
void speak_as_asked(const std::filesystem::path& folder);
// Whether the terminal's characters are UTF-8, as the same variables say.
bool reads_utf8();
// Whether there is another language than English in use.
bool speaks_another_language();
// In the language in use. English where there is no translation, or one whose places are not those of the format.
std::string translated(const Message& message);
// The same of a text without places that is a variable; where it is written it is `marked`.
std::string translated_text(std::string_view text);
template <class... Places>
std::string tr(fmt::format_string<AsPlace<Places>...> format, const Places&... places) {
    return translated(message<Places...>(format, places...));
}

}  // namespace core
