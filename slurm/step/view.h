#pragma once
#include <cstdint>
#include <filesystem>

#include "slurm/decide/policy.h"

// The file system as a job sees it: a root built from a list of what is allowed, in a mount and IPC namespace
// of its own. Two steps, because slurmstepd itself must go on working in between.

namespace slurm {

struct SlurmPlaces {
    std::filesystem::path spool = "/var/lib/slurm/slurmd";  // SlurmdSpoolDir
    std::filesystem::path munge = "/run/munge";
};

// In slurmstepd, before it opens the job's output files: they, and whatever it runs later, lie in the job's
// view. Besides what the job sees, this view holds Slurm's spool, munge and the cgroups. Throws
// Error(system).
void enter_daemon_view(const core::Site& site, const Policy& policy, Part part, const SlurmPlaces& places);

// In each task, still root: takes Slurm's own places away again. A step keeps its PMIx folder only, the batch
// wrapper its script and munge. `script`: the spooled script's path (batch only).
void enter_task_view(std::uint32_t job, std::uint32_t step, Part part, const SlurmPlaces& places,
                     const std::filesystem::path& script);

}  // namespace slurm
