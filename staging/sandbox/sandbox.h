#pragma once
#include <cstdint>

namespace staging {

// For the fork server and its workers: what they must not keep of the program they were forked from. Closes
// every descriptor but `keep` (which becomes number 3), points 0 to 2 at /dev/null, ignores the signals that
// a terminal or a scheduler sends to whole groups (the program decides; they end with it), dies with its
// parent. Returns false if any of it failed.
bool leave_parent_behind(int keep, int parent_pid) noexcept;

// Gives up everything but computing, for good: no files, network, processes or executable memory; reading
// descriptors that are handed over and answering on the socket is all that is left. Anything else kills the
// process. `memory_bytes` is on top of what is mapped now. Returns false if any of it failed: then exit.
bool enter_sandbox(std::uint64_t memory_bytes) noexcept;

// Built with AddressSanitizer: its shadow memory takes terabytes of address space and its reports need more
// system calls, so the address space is not limited and those calls are let through. Tests only.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

}  // namespace staging
