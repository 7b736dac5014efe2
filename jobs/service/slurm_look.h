#pragma once
#include <vector>

#include "jobs/slurm/cluster_checks.h"

namespace jobs {

// Slurm's settings as aloftd itself sees them, judged for the enclave. Where there is no scontrol, or it does not
// answer, that is a required check that fails: an enclave does not open because something could not be looked at.
std::vector<Check> look_at_slurm(const core::Enclave& enclave);

}  // namespace jobs
