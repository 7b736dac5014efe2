#pragma once
#include <cstdint>
#include <string>

namespace jobs {

// "90s", "15m", "12h", "30d", "1y" (365 days) in seconds. Throws Error(usage).
std::int64_t parse_duration(const std::string& text);

}  // namespace jobs
