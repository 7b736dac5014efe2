#include "core/base/catalogue.h"

#include <cstdint>
#include <cstring>
#include <optional>

#include "core/base/error.h"
#include "core/base/files.h"

namespace core {
namespace {

// GNU gettext's manual, "The Format of GNU MO Files": a magic number, a revision, how many texts, where the table of the English ones
// is, and where that of the others; a row is a text's length and place. A context stands before its text, with a 4 between them.
constexpr std::uint32_t kMagic = 0x950412de;
constexpr std::size_t kRow = 8, kMostBytes = 16 << 20;

std::optional<std::uint32_t> number_at(std::string_view file, std::size_t at) {
    std::uint32_t number = 0;
    if (at > file.size() || file.size() - at < sizeof number) return std::nullopt;
    std::memcpy(&number, file.data() + at, sizeof number);
    return number;
}

std::optional<std::string_view> text_at(std::string_view file, std::size_t row) {
    const auto length = number_at(file, row), at = number_at(file, row + 4);
    if (!length || !at || *at > file.size() || file.size() - *at < *length) return std::nullopt;
    return file.substr(*at, *length);
}

}  // namespace

std::vector<Translation> translations_in(const std::filesystem::path& path, std::string_view context) {
    std::vector<Translation> all;
    std::string bytes;
    try {
        bytes = read_text(path, kMostBytes);
    } catch (const Error&) {
        return all;
    }
    const std::string_view file = bytes;
    const std::string head = std::string(context) + '\4';
    const auto count = number_at(file, 8), english = number_at(file, 12), other = number_at(file, 16);
    if (number_at(file, 0) != kMagic || !count || !english || !other) return all;
    for (std::size_t i = 0; i < *count; ++i) {
        const auto key = text_at(file, *english + i * kRow), text = text_at(file, *other + i * kRow);
        if (!key || !text) return {};
        if (key->starts_with(head))
            all.push_back({std::string(key->substr(head.size())), std::string(*text)});
    }
    return all;
}

}  // namespace core
