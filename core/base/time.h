#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace core {

// How far the clocks of two hosts that keep NTP time may be apart.
inline constexpr std::int64_t kClockSkewSeconds = 60;

// Seconds since 1970-01-01T00:00:00Z.
std::int64_t now_seconds();

// "2026-11-23T20:35:08Z" (RFC 3339, always UTC, whole seconds).
std::string rfc3339(std::int64_t seconds);

// The inverse. Throws Error(data) on anything but the form above.
std::int64_t parse_rfc3339(std::string_view text);

}  // namespace core
