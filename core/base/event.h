#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace core {

// One log line on stderr, written by one write(2) when the object dies:
//   2026-11-23T20:35:08Z info shard_written shard=12 bytes=1073741824 seconds=3.1
// Event names are stable: tests and `aloft watch` read them. Values with spaces are quoted; control
// characters and anything outside ASCII are escaped, so that no value can forge a second line.
// Pass counts, sizes, shard numbers and keyed hashes only: never an identifier or a path that holds one.
class Event {
public:
    // `level` is "info", "warning" or "error".
    Event(std::string_view level, std::string_view name);
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    ~Event();

    Event& with(std::string_view key, std::string_view value);
    Event& with(std::string_view key, const char* value) { return with(key, std::string_view(value)); }
    Event& with(std::string_view key, double value);
    Event& with(std::string_view key, std::int64_t value);
    Event& with(std::string_view key, std::uint64_t value);
    Event& with(std::string_view key, int value) { return with(key, std::int64_t{value}); }
    Event& with(std::string_view key, unsigned value) { return with(key, std::uint64_t{value}); }
    Event& with(std::string_view key, bool value) { return with(key, value ? "true" : "false"); }

private:
    std::string line_;
};

// Silences `info` events (warnings and errors always pass). Set once, before threads start.
void set_quiet(bool quiet) noexcept;

}  // namespace core
