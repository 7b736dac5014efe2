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

// Without spaces, tabs and carriage returns at both ends.
inline std::string trimmed(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return {};
    return std::string(text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1));
}

}  // namespace core
