#pragma once
#include <cstdint>

#include "core/base/site.h"
#include "slurm/decide/policy.h"

// The node's gate (gate.bpf.c): a filter on what comes in by every interface but the loopback one, as long as
// an enclave's job has the node. One job at a time has it, since enclaves' jobs take nodes whole. Root.

namespace slurm {

// Puts the gate up for the policy's job, in place of whatever one there is, with the policy's allowances for
// the site's own daemons. Throws Error(system).
void close_gate(const core::Site& site, const Policy& policy);

// Takes it down if it is this job's. Throws Error(system) if it stays.
void open_gate(const core::Site& site, std::uint32_t job);

// Takes down a gate that belongs to no job: a node's network can outlive its /run.
void open_stray_gate(const core::Site& site);

}  // namespace slurm
