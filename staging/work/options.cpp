#include "staging/work/options.h"

#include <charconv>

#include "core/base/config.h"
#include "core/base/error.h"

namespace staging {
namespace {

struct Row {
    const char* name;
    std::uint64_t Options::*member;
    std::uint64_t min;
};
constexpr Row kRows[] = {
    {"files_per_batch", &Options::files_per_batch, 1},  {"segment_bytes", &Options::segment_bytes, 1},
    {"segment_samples", &Options::segment_samples, 1},  {"block_records", &Options::block_records, 1},
    {"exchange_bytes", &Options::exchange_bytes, 4096}, {"partition_records", &Options::partition_records, 1},
    {"sync_seconds", &Options::sync_seconds, 0},
};

}  // namespace

std::vector<std::string> Options::names() {
    std::vector<std::string> out;
    for (const Row& row : kRows) out.emplace_back(row.name);
    return out;
}

void Options::set(const std::string& text) {
    const std::size_t at = text.find('=');
    const std::string name = text.substr(0, at);
    for (const Row& row : kRows) {
        if (name != row.name) continue;
        std::uint64_t value = 0;
        const char* end = text.data() + text.size();
        const auto [rest, failed] = at == std::string::npos
                                        ? std::from_chars_result{end, std::errc::invalid_argument}
                                        : std::from_chars(text.data() + at + 1, end, value);
        if (failed != std::errc{} || rest != end || value < row.min)
            throw core::Error(core::Fault::usage, "--cut " + name + ": expected a whole number of " +
                                                      std::to_string(row.min) + " or more");
        this->*row.member = value;
        return;
    }
    const auto near = core::nearest(name, names());
    throw core::Error(core::Fault::usage,
                      "--cut: there is no such number" + (near ? "; did you mean " + *near + "?" : ""));
}

}  // namespace staging
