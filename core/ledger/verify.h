#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "core/keys/keys.h"
#include "core/ledger/record.h"

namespace core {

struct VerifiedLedger {
    Head head;
    std::uint64_t checkpoints = 0;
    std::uint64_t unsigned_records = 0;  // after the last checkpoint: chained, not signed yet
};

// Checks every byte of a ledger with the public keys alone, streaming. Throws Error(data) that names the
// first record that was changed, dropped, repeated or moved, by number and line; with a witness, also one
// cut off at the end. What it cannot see without a witness: records cut off at the end, and changes to
// records after the last checkpoint that were chained again by somebody (the unsigned_records). Throws
// Error(refused) if the witness is signed by none of `keys`: those that this ledger had over time.
VerifiedLedger verify_ledger(const std::filesystem::path& path, const std::vector<VerifyKey>& keys,
                             const std::optional<Witness>& witness = std::nullopt);

}  // namespace core
