#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "jobs/release/document.h"
#include "jobs/release/findings.h"
#include "jobs/release/gate.h"

namespace jobs {

// Parses with limits and against the vocabulary. Nothing if `findings` refuses. `bits` gains an upper bound of
// what the document says.
std::optional<Value> read_json(std::string_view text, const Context& context, Findings& findings,
                               std::uint64_t& bits);

// The one text of a document: keys sorted, one space of indent, a newline at the end.
std::string write_json(const Value& value);

}  // namespace jobs
