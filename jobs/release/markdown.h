#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "jobs/release/findings.h"
#include "jobs/release/gate.h"

namespace jobs {

// A short text as it leaves: printable ASCII and CJK letters, single spaces, no links, pictures, HTML or
// entities, no small counts in figures. It is free text all the same, and is always flagged for the reviewers.
// Nothing if `findings` refuses. `bits` gains an upper bound.
std::optional<std::string> read_markdown(std::string_view text, const Context& context, Findings& findings,
                                         std::uint64_t& bits);

}  // namespace jobs
