#include "jobs/wire/duration.h"

#include <charconv>

#include "core/base/error.h"

namespace jobs {

using core::Error;
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
        throw Error(Fault::usage, "not a duration; write a number and s, m, h, d or y, for example 90d");
    return number * seconds;
}

}  // namespace jobs
