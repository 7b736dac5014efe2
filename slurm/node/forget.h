#pragma once
#include <filesystem>
#include <set>
#include <string>

#include "core/base/site.h"
#include "slurm/decide/slurm_conf.h"
#include "slurm/node/records.h"

namespace slurm {

// Forgets that this node had nodes of these addresses (all that it remembers of the enclave, if none is named) as fellows in an
// enclave, and opens it to them: root's word that no job of theirs runs any more, where none of them will ever say so. Takes the
// jobs' lock. Returns them. Throws Error(refused) if one is a node of the enclave by the policy that is published here, or a job
// that is here has it as a fellow; Error(usage) if it is not remembered.
std::set<std::string> forget(const core::Site& site, const std::string& host, const SlurmConf& conf,
                             const std::string& enclave, const std::set<std::string>& addresses, bool dry_run,
                             const std::filesystem::path& state = kNodeState);

}  // namespace slurm
