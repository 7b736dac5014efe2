#include "core/base/time.h"

#include <ctime>

#include "core/base/error.h"

namespace core {

std::int64_t now_seconds() {
    return static_cast<std::int64_t>(::time(nullptr));
}

std::string rfc3339(std::int64_t seconds) {
    const std::time_t when = seconds;
    std::tm utc{};
    if (!gmtime_r(&when, &utc)) throw Error(Fault::data, "a time is out of range");
    char text[40];
    const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return {text, length};
}

std::int64_t parse_rfc3339(std::string_view text) {
    std::tm utc{};
    const std::string copy(text);
    const char* end = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%SZ", &utc);
    if (!end || *end != '\0') throw Error(Fault::data, "not a time of the form 2026-11-23T20:35:08Z");
    const std::int64_t seconds = timegm(&utc);
    if (rfc3339(seconds) != text) throw Error(Fault::data, "not a time of the form 2026-11-23T20:35:08Z");
    return seconds;
}

}  // namespace core
