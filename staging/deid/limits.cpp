#include "staging/deid/limits.h"

#include <algorithm>
#include <iterator>
#include <string>

namespace staging {
namespace {

struct Row {
    const char* key;
    Reason reason;  // of a file beyond it that has no detail; none: the detail says the key, or more
    std::int64_t least, most;
    void (*set)(Limits& limits, std::int64_t value);
};

// A worker needs some room to begin with.
constexpr std::int64_t kKiB = 1 << 10, kMiB = 1 << 20, kGiB = 1 << 30;
template <auto Member>
void put(Limits& limits, std::int64_t value) {
    using Type = std::remove_reference_t<decltype(limits.*Member)>;
    limits.*Member = static_cast<Type>(value);
}
constexpr Row kRows[] = {
    {"file_bytes", Reason::too_large, kMiB, kMostFileBytes, put<&Limits::file_bytes>},
    {"pixel_bytes", Reason::pixels_too_large, 64 * kKiB, kMostArrayBytes, put<&Limits::pixel_bytes>},
    {"image_bytes", Reason::none, 64 * kKiB, kMostArrayBytes, put<&Limits::image_bytes>},
    {"inflated_bytes", Reason::memory_limit, kMiB, 4 * kGiB, put<&Limits::inflated_bytes>},
    {"inflate_ratio", Reason::none, 1, 65536, put<&Limits::inflate_ratio>},
    {"value_bytes", Reason::value_too_large, 64, kMostValueBytes, put<&Limits::value_bytes>},
    {"depth", Reason::nesting_too_deep, 2, 1024, put<&Limits::depth>},
    {"elements", Reason::none, 1000, 100'000'000, put<&Limits::elements>},
    {"fragments", Reason::none, 1, 10'000'000, put<&Limits::fragments>},
    {"archive_members", Reason::none, 1, 100'000'000, put<&Limits::archive_members>},
    {"rows", Reason::too_many_rows, 1, std::int64_t{1} << 40, put<&Limits::rows>},
    {"row_bytes", Reason::row_too_large, kKiB, kMostRowBytes, put<&Limits::row_bytes>},
    {"seconds", Reason::time_limit, 1, 3600, put<&Limits::seconds>},
};

}  // namespace

Limits read_limits(const core::Config& file) {
    Limits out;
    if (!file.has("limits")) return out;
    const core::Config table = file.table("limits");
    for (const Row& row : kRows) {
        if (!table.has(row.key)) continue;
        const std::int64_t value = table.integer(row.key);
        if (value < row.least || value > row.most)
            table.refuse(row.key,
                         "expected " + std::to_string(row.least) + " to " + std::to_string(row.most));
        row.set(out, value);
    }
    return out;
}

Limits largest_limits() {
    Limits out;
    for (const Row& row : kRows) row.set(out, row.most);
    return out;
}

std::string_view limit_key(Reason reason) noexcept {
    const auto* found = std::ranges::find(kRows, reason, &Row::reason);
    return reason == Reason::none || found == std::end(kRows) ? std::string_view{} : found->key;
}

}  // namespace staging
