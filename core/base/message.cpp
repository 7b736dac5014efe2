#include "core/base/message.h"

#include <fmt/args.h>
#include <fmt/format.h>
#include <langinfo.h>
#include <libintl.h>
#include <locale.h>

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

#include "core/base/catalogue.h"

namespace core {
namespace {

constexpr const char* kDomain = "aloft";
constexpr std::size_t kMostPlaces = 64;

locale_t g_language = nullptr;   // none: English
std::filesystem::path g_folder;  // of catalogues

// The numbers of a format's places, in rising order: {} counts, {2} names one, and no format does both. Nothing if it is not sound.
std::optional<std::vector<std::size_t>> numbers_of(std::string_view format) {
    std::vector<std::size_t> numbers;
    std::size_t counted = 0, named = 0;
    for (std::size_t at = 0; at < format.size(); ++at) {
        const char c = format[at];
        if (c != '{' && c != '}') continue;
        if (at + 1 < format.size() && format[at + 1] == c) {
            ++at;
            continue;
        }
        const std::size_t end = format.find('}', at);
        if (c == '}' || end == std::string_view::npos) return std::nullopt;
        const std::string_view name = format.substr(at + 1, end - at - 1);
        if (name.size() > 2 || name.find_first_not_of("0123456789") != std::string_view::npos)
            return std::nullopt;
        numbers.push_back(name.empty() ? counted++ : (++named, std::stoul(std::string(name))));
        at = end;
    }
    if (counted && named) return std::nullopt;
    std::ranges::sort(numbers);
    return numbers;
}

std::string filled(const std::string& format, const std::vector<std::string>& places) {
    fmt::dynamic_format_arg_store<fmt::format_context> store;
    for (const std::string& place : places) store.push_back(std::cref(place));
    try {
        return fmt::vformat(format, store);
    } catch (const fmt::format_error&) {
        return format;
    }
}

bool is_utf8(locale_t locale) {
    return std::string_view(::nl_langinfo_l(CODESET, locale)) == "UTF-8";
}

// While it is there, this thread's messages are those of the language in use.
class InLanguage {
public:
    InLanguage() : before_(::uselocale(g_language)) {}
    InLanguage(const InLanguage&) = delete;
    InLanguage& operator=(const InLanguage&) = delete;
    ~InLanguage() { ::uselocale(before_); }

private:
    locale_t before_;
};

}  // namespace

std::string Message::english() const {
    return filled(format, places);
}

bool Message::fits() const {
    const auto numbers = numbers_of(format);
    if (!numbers || numbers->size() != places.size() || places.size() > kMostPlaces) return false;
    for (std::size_t i = 0; i < numbers->size(); ++i)
        if ((*numbers)[i] != i) return false;
    return true;
}

ToldError told(const Error& error) {
    if (const auto* one = dynamic_cast<const ToldError*>(&error)) return *one;
    return {error.fault(), {"{}", {error.what()}}};
}

std::string reason_of(int errno_value) {
    return std::generic_category().message(errno_value);
}

void speak_as_asked(const std::filesystem::path& folder) {
    const locale_t asked = ::newlocale(LC_CTYPE_MASK | LC_MESSAGES_MASK, "", nullptr);
    if (!asked) return;
    if (!is_utf8(asked) || !::bindtextdomain(kDomain, folder.c_str()) ||
        !::bind_textdomain_codeset(kDomain, "UTF-8"))
        return ::freelocale(asked);
    const locale_t before = std::exchange(g_language, asked);
    {
        const InLanguage language;
        // A catalogue's first entry is its head; without a catalogue the empty text is what it is.
        if (*::dgettext(kDomain, "") == '\0') g_language = nullptr;
    }
    if (!g_language) ::freelocale(asked);
    g_folder = folder;
    if (before) ::freelocale(before);
}

bool reads_utf8() {
    const locale_t asked = ::newlocale(LC_CTYPE_MASK, "", nullptr);
    if (!asked) return false;
    const bool is = is_utf8(asked);
    ::freelocale(asked);
    return is;
}

bool speaks_another_language() {
    return g_language != nullptr;
}

std::filesystem::path catalogue_in_use() {
    if (!g_language) return {};
    const InLanguage language;
    // gettext does not tell which of the languages asked for it found; the catalogue's head does.
    constexpr std::string_view kName = "\nLanguage: ";
    const std::string head = ::dgettext(kDomain, "");
    const auto at = head.find(kName);
    if (at == std::string::npos) return {};
    const std::string name = head.substr(at + kName.size(), head.find('\n', at + 1) - at - kName.size());
    return g_folder / name / "LC_MESSAGES" / (std::string(kDomain) + ".mo");
}

std::string translated(const Message& message) {
    if (!g_language || message.format.empty()) return message.english();
    const InLanguage language;
    const std::string found = ::dgettext(kDomain, message.format.c_str());
    const auto numbers = numbers_of(found);
    if (!numbers || numbers != numbers_of(message.format)) return message.english();
    return filled(found, message.places);
}

std::string translated_text(std::string_view text) {
    return translated(Message{std::string(text), {}});
}

}  // namespace core
