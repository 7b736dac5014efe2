#pragma once
#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

#include "core/base/site.h"
#include "core/policy/enclave.h"

// Whose session it is.

namespace slurm {

struct SessionAccount {
    uid_t uid = 0;
    gid_t gid = 0;
    std::string name;
    core::Enclave enclave;
    std::filesystem::path workspace;
};

// The account of `uid`, which an enclave's policy must name with this number, and whose workspace must be
// there and its own. Throws Error(refused) otherwise; as core::load_enclaves.
SessionAccount session_account(const core::Site& site, uid_t uid);

// Whether the account is still the enclave's. Never throws: what cannot be looked at is nothing.
std::optional<bool> is_still_in(const core::Site& site, const SessionAccount& account) noexcept;

// The standard streams, as descriptors that came from outside the fence: each a terminal, /dev/null, a pipe
// or a Unix socket. A file or folder would be a way around the view, a network socket one around the packet
// rules. Throws Error(refused).
void check_streams();

}  // namespace slurm
