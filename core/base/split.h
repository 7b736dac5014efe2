#pragma once
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace core {

// "a,b,,c" at ',': a, b, an empty one, c. Nothing of an empty text; nothing after a last `at`.
inline std::vector<std::string> split(std::string_view text, char at) {
    std::vector<std::string> parts;
    std::istringstream stream{std::string(text)};
    for (std::string part; std::getline(stream, part, at);) parts.push_back(part);
    return parts;
}

// "a, b, c".
inline std::string joined(const std::vector<std::string>& words, std::string_view between = ", ") {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) out += between;
        out += words[i];
    }
    return out;
}

// Without spaces, tabs and carriage returns at both ends.
inline std::string trimmed(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return {};
    return std::string(text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1));
}

}  // namespace core
