#pragma once
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "slurm/decide/policy.h"
#include "slurm/node/records.h"

// A node that lost power runs no Epilog, and its former fellows may still compute. Its agent closes it to them, but
// starts when network and published policies are there: until then this does, by what the node's own disk says.

namespace slurm {

// Adds the policy's fellows to remembered_fellows (../preflight/closing.h). On disk when it returns. Throws as that
// does: no job then.
void remember_fellows(const Policy& policy, const std::filesystem::path& state = kNodeState);

// Takes an enclave's fellows of these addresses out again. On disk when it returns. Throws as remembered_fellows,
// Error(usage) if one is not remembered: then all are.
void forget_fellows(const std::string& enclave, const std::set<std::string>& addresses,
                    const std::filesystem::path& state = kNodeState);

// Before the network starts (aloft-node-close.service): a table of nftables drops what comes from them to a port
// that a job can have, on interfaces too that come later. If what was remembered is damaged, from everybody.
// No table if nobody is. Then leaves the mark by which preflight knows that this boot did it. Throws Error(system).
void close_before_network(const std::filesystem::path& slurm_conf,
                          const std::filesystem::path& state = kNodeState,
                          const std::filesystem::path& mark = kClosedMark);

// The agent has closed the node by itself: takes that table down. Nothing if there is none. Throws Error(system).
void end_closing_before_network();

}  // namespace slurm
