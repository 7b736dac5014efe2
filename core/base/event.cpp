#include "core/base/event.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <iterator>

#include "core/base/journal.h"
#include "core/base/time.h"

namespace core {
namespace {

std::atomic<bool> quiet{false};

bool is_plain(std::string_view value) {
    if (value.empty()) return false;
    for (const unsigned char c : value)
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=') return false;
    return true;
}

}  // namespace

void set_quiet(bool on) noexcept {
    quiet = on;
}

Event::Event(std::string_view level, std::string_view name)
    : line_(fmt::format("{} {} {}", rfc3339(now_seconds()), level, name)) {
    if (quiet && level == "info") line_.clear();
}

Event::~Event() {
    if (line_.empty() || was_sent_to_journal(line_)) return;
    line_ += '\n';
    // A log line that cannot be written is lost: there is nowhere left to say so.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line_.data(), line_.size());
}

Event& Event::with(std::string_view key, std::string_view value) {
    if (line_.empty()) return *this;
    line_ += ' ';
    line_ += key;
    line_ += '=';
    if (is_plain(value)) {
        line_ += value;
        return *this;
    }
    line_ += '"';
    for (const unsigned char c : value) {
        if (c == '"' || c == '\\') {
            line_ += '\\';
            line_ += static_cast<char>(c);
        } else if (c < ' ' || c >= 0x7f) {
            fmt::format_to(std::back_inserter(line_), "\\x{:02x}", static_cast<unsigned>(c));
        } else {
            line_ += static_cast<char>(c);
        }
    }
    line_ += '"';
    return *this;
}

Event& Event::with(std::string_view key, double value) {
    return with(key, fmt::format("{:.6g}", value));
}
Event& Event::with(std::string_view key, std::int64_t value) {
    return with(key, fmt::format("{}", value));
}
Event& Event::with(std::string_view key, std::uint64_t value) {
    return with(key, fmt::format("{}", value));
}

}  // namespace core
