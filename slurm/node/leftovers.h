#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

#include "slurm/decide/policy.h"

// What stays behind where a process that cleans up is itself killed, or its node loses power: Slurm never
// looks for it again.

namespace slurm {

// Of slurmstepd: sockets, PMIx folders and topologies in slurmd's spool, and empty cgroups of version 1. Slurm would not
// start a step of the same number over them. Nothing of a job that something runs for here: without its socket Slurm
// signals a slurmstepd no more.
void remove_leftovers(const std::filesystem::path& spool, std::uint32_t job);

// Jobs of which there are such files, but not of the last half minute: a step may be beginning.
std::vector<std::uint32_t> jobs_with_leftovers(const std::filesystem::path& spool);

// Of aloft-run: the folder in the workspace where tasks tell it that they run. Removed with no more rights
// than the job's user has: the folder is the user's, and so is what may lie there in its place.
void remove_marks(const Policy& policy);

}  // namespace slurm
