#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/policy/check.h"

// What the fence needs of Slurm's own settings: one table, by which a node judges its slurm.conf and aloftd what the controller
// says, so that the two cannot contradict each other. "To check one more setting": one row in slurm_settings.cpp.

namespace core {

// Slurm adds KillWait to a job's time limit, and admission takes this many seconds off a grant's end for it.
inline constexpr int kLongestKillWaitSeconds = 30;

// `value`: the setting of that name as slurm.conf or `scontrol show config` writes it ("KillWait": "5" or "5 sec"); empty if it
// is not set ("(null)" counts as not set).
std::vector<Check> judge_slurm_settings(const std::function<std::string(std::string_view name)>& value);

// slurmdbd has a PrivateData of its own: what sacct shows of jobs is hidden by it, not by slurm.conf's. `configuration`: what
// `sacctmgr --noheader show configuration` prints.
Check judge_slurmdbd(std::string_view configuration);

}  // namespace core
