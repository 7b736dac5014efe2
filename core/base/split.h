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

}  // namespace core
