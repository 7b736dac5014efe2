#include "staging/read/reason.h"

#include <array>

namespace staging {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(Reason::count_)> kNames = {
    "none",
    "symlink",
    "not_regular",
    "unreadable",
    "changed_while_read",
    "too_large",
    "duplicate",
    "not_recognised",
    "truncated",
    "malformed",
    "nesting_too_deep",
    "too_many_elements",
    "length_exceeds_parent",
    "value_too_large",
    "decompression_limit",
    "transfer_syntax_unsupported",
    "no_pixel_data",
    "missing_attribute",
    "pixel_format_unsupported",
    "pixel_size_mismatch",
    "pixels_too_large",
    "decode_failed",
    "risk_burned_in_text",
    "risk_face",
    "worker_died",
    "time_limit",
    "memory_limit",
    "bad_header",
    "bad_row",
    "bad_quoting",
    "not_utf8",
    "row_too_large",
    "too_many_rows",
    "bad_value",
    "unlisted",
};
static_assert(!kNames.back().empty(), "every Reason has a name");

}  // namespace

std::string_view reason_name(Reason reason) noexcept {
    const auto index = static_cast<std::size_t>(reason);
    return index < kNames.size() ? kNames[index] : "unknown";
}

}  // namespace staging
