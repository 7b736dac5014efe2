#pragma once
#include <chrono>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "core/base/site.h"
#include "slurm/decide/policy.h"
#include "slurm/preflight/closing.h"

// This node's signed records: written to its own disk first, so that neither a full nor a hanging parallel file
// system keeps a job from ending, then handed on to SITE.spool.

namespace slurm {

// A signed record about the job, on this node's disk: account, enclave and grant are added to `details`.
// Throws as core::spool_record.
void record_job(const core::Site& site, const char* kind, const Policy& policy, nlohmann::json details,
                const std::filesystem::path& state = kNodeState);

// Moves what lies there to SITE.spool, oldest first; each is there once it is gone here. May hang with the
// file system: in a process of its own. Throws Error(system) at the first that cannot be moved.
void forward_records(const core::Site& site, const std::filesystem::path& state = kNodeState);

// The same in a process of its own, waited for up to `patience`; what it does not manage is left for the agent.
void try_to_forward(std::chrono::milliseconds patience) noexcept;

}  // namespace slurm
