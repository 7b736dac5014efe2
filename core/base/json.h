#pragma once
#include <nlohmann/json.hpp>
#include <string_view>

namespace core {

inline constexpr int kJsonDepth = 32;  // deeper than any document of ours

// JSON of others: nested no deeper than `most_depth`, since what is deep is written again by a function that calls itself for
// each level, and ends the process. Throws Error(data) for that, nlohmann::json::exception for what is no JSON.
nlohmann::json parse_json(std::string_view text, int most_depth = kJsonDepth);

}  // namespace core
