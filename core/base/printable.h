#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace core {

// The first character of `text`, which is not empty, by RFC 3629; of 0 bytes where it is no UTF-8.
struct Utf8 {
    std::size_t bytes = 0;
    char32_t code = 0;
};
Utf8 first_utf8(std::string_view text);

// What a terminal or a log may show as it is: UTF-8 (RFC 3629) without control characters, C0 and C1, without line and paragraph
// separators, and without what is not seen or turns the direction of text (Unicode, general category Cf). `kept`: control characters
// that may be there all the same, such as "\n\t".
bool is_printable(std::string_view text, std::string_view kept = {});
// `text` with '?' in place of each other character, and of each byte that is no UTF-8.
std::string printable_text(std::string_view text, std::string_view kept = {});

}  // namespace core
