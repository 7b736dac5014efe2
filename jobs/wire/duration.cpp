#include "jobs/wire/duration.h"

#include <charconv>

#include "core/base/message.h"

namespace jobs {

using core::failure;
using core::Fault;

std::int64_t parse_duration(const std::string& text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string unit(end, text.data() + text.size());
    const std::int64_t seconds = unit == "s"   ? 1
                                 : unit == "m" ? 60
                                 : unit == "h" ? 3600
                                 : unit == "d" ? 86400
                                 : unit == "y" ? 365 * 86400
                                               : 0;
    if (error != std::errc() || seconds == 0 || number < 1 || number > 1'000'000'000)
        throw failure(Fault::usage, "not a duration; write a number and s, m, h, d or y, for example 90d");
    return number * seconds;
}

std::string duration_in_words(std::int64_t seconds) {
    constexpr std::int64_t kMinute = 60, kHour = 3600, kDay = 86400;
    if (seconds >= 2 * kDay) return std::to_string(seconds / kDay) + " d";
    if (seconds >= 2 * kHour) return std::to_string(seconds / kHour) + " h";
    if (seconds >= 2 * kMinute) return std::to_string(seconds / kMinute) + " min";
    return std::to_string(seconds) + " s";
}

}  // namespace jobs
