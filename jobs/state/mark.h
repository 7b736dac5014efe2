#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace jobs {

// SITE.state/undecided.json: what keeps aloftd from starting until the published witness vouches for the ledger as it ends, or
// the admin gives up what may be lost. It outlives the witness that told of it.
struct Mark {
    std::string
        why;  // "restored", or "contradicted": a node brought a witness that this ledger does not hold
    std::uint64_t head = 0;             // the ledger's last record when the mark was set
    std::optional<std::uint64_t> seen;  // the record that the witness saw
};

// Durable on return. Throws Error(system).
void write_mark(const std::filesystem::path& state, const Mark& mark);
// Throws Error(data) for one that cannot be read.
std::optional<Mark> read_mark(const std::filesystem::path& state);
void remove_mark(const std::filesystem::path& state);

}  // namespace jobs
