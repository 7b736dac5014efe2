#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "core/base/config.h"

namespace jobs {

// The desk's part of release.toml: how much, and for whom.
struct DeskRules {
    std::uint64_t bits_per_grant_year = 1'000'000'000;          // about six ResNet-18
    std::uint64_t open_requests = 4, open_bytes = 16ull << 30;  // of one account, until they are over
    std::uint64_t reserve_bytes = 1ull << 30;   // of quarantine's file system, kept free for the ledger
    std::map<std::string, std::string> groups;  // enclave -> the group that may read its packages

    // Reads [budget], [desk] and [groups]; absent keys keep the values above. Throws Error(usage).
    static DeskRules read(const core::Config& file);
};

// How much may leave under one grant within a year, in bits: an upper bound of what released files can carry,
// whatever an author does (Leaving::bits). A key is 256 of them.
struct Budget {
    std::uint64_t limit_bits = 0;
    std::uint64_t spent_bits = 0;  // by releases of the last 365 days that left or may still leave

    std::uint64_t left_bits() const noexcept { return spent_bits < limit_bits ? limit_bits - spent_bits : 0; }
    // Why a request of `bits` cannot be taken, with what is left and what to do; empty if it can.
    std::string refusal(std::uint64_t bits) const;
};

// What one account may have waiting for review at once, and what the disk of the ledger must keep free.
struct Room {
    std::uint64_t open_requests = 0, open_bytes = 0;  // the account's
    std::uint64_t open_requests_limit = 0, open_bytes_limit = 0;
    std::uint64_t free_bytes = 0, reserve_bytes = 0;  // of the file system of quarantine

    // Why `bytes` more cannot be copied; empty if they can.
    std::string refusal(std::uint64_t bytes) const;
};

}  // namespace jobs
