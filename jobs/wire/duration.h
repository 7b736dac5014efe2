#pragma once
#include <cstdint>
#include <string>

namespace jobs {

// "90s", "15m", "12h", "30d", "1y" (365 days) in seconds. Throws Error(usage).
std::int64_t parse_duration(const std::string& text);

// "59 s", "3 min", "25 h", "6 d": in the largest unit of which there are two, rounded down.
std::string duration_in_words(std::int64_t seconds);

}  // namespace jobs
