#pragma once
#include <optional>
#include <span>
#include <string_view>

// Every state an application, a release or an enclave can be in, and which record moves it where: one table,
// used both when an operation asks whether it is allowed and when state is rebuilt from the ledger.

namespace jobs {

enum class Thing { application, release, enclave };

struct Transition {
    Thing thing;
    std::string_view from;  // "" before it exists
    std::string_view kind;  // of the record
    std::string_view to;
};

std::span<const Transition> transitions();

// Where `kind` moves a thing that is in `from`; nothing if it may not.
std::optional<std::string_view> next_state(Thing thing, std::string_view from, std::string_view kind);

}  // namespace jobs
