#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "core/base/site.h"

// Jobs that this node has something of, but Slurm does not run here: it was lost to the controller for a while,
// and its job went on elsewhere or is over.

namespace slurm {

enum class Thoroughly { no, yes };

// Looks first, asks the controller about what it found, then clears what the controller does not know here: so
// a job that begins meanwhile is never taken for a lost one, however long the answer takes. Asks nothing if
// there is nothing. `urgent`: runs by job, which are asked about even if they are young. Open jobs left no more
// than a file: they are asked about only if `how` says so. Failures with one job are logged.
void clear_lost_jobs(const core::Site& site, const std::string& slurm_conf, const std::string& host,
                     const std::map<std::uint32_t, std::string>& urgent, Thoroughly how);

}  // namespace slurm
