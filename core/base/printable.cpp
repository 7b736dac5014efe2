#include "core/base/printable.h"

#include <algorithm>

namespace core {

Utf8 first_utf8(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
    };
    const auto follows = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
    const unsigned a = byte(0), b = byte(1);
    if (a < 0x80) return {1, a};
    if (a >= 0xc2 && a <= 0xdf && follows(1)) return {2, (a & 0x1f) << 6 | (b & 0x3f)};
    if (a >= 0xe0 && a <= 0xef && follows(1) && follows(2)) {
        if ((a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f)) return {};
        return {3, (a & 0x0f) << 12 | (b & 0x3f) << 6 | (byte(2) & 0x3f)};
    }
    if (a >= 0xf0 && a <= 0xf4 && follows(1) && follows(2) && follows(3)) {
        if ((a == 0xf0 && b < 0x90) || (a == 0xf4 && b > 0x8f)) return {};
        return {4, (a & 0x07) << 18 | (b & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f)};
    }
    return {};
}

namespace {

struct Range {
    char32_t first, last;
};
constexpr Range kHidden[] = {{0x00, 0x1f},      {0x7f, 0x9f},     {0xad, 0xad},       {0x61c, 0x61c},
                             {0x180e, 0x180e},  {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},
                             {0xfeff, 0xfeff},  {0xfff9, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
                             {0xe0000, 0xe007f}};

bool is_shown(std::string_view character, char32_t code, std::string_view kept) {
    if (character.size() == 1 && kept.find(character.front()) != std::string_view::npos) return true;
    return std::ranges::none_of(
        kHidden, [&](const Range& range) { return code >= range.first && code <= range.last; });
}

}  // namespace

bool is_printable(std::string_view text, std::string_view kept) {
    while (!text.empty()) {
        const Utf8 next = first_utf8(text);
        if (next.bytes == 0 || !is_shown(text.substr(0, next.bytes), next.code, kept)) return false;
        text.remove_prefix(next.bytes);
    }
    return true;
}

std::string printable_text(std::string_view text, std::string_view kept) {
    std::string out;
    while (!text.empty()) {
        const Utf8 next = first_utf8(text);
        if (next.bytes && is_shown(text.substr(0, next.bytes), next.code, kept))
            out += text.substr(0, next.bytes);
        else
            out += '?';
        text.remove_prefix(std::max<std::size_t>(next.bytes, 1));
    }
    return out;
}

}  // namespace core
