#pragma once
#include <cstdint>
#include <filesystem>
#include <set>
#include <vector>

// cgroup v2 as root on a node uses it: to freeze, kill and remove what a job started.

namespace slurm {

// Those of the job's cgroups that hold its tasks and exist. On the hybrid layout the plugin's own; on pure v2
// Slurm's job_N/step_M/user.
std::vector<std::filesystem::path> task_cgroups(std::uint32_t job);

// Stops every process in the cgroup where it is and waits, up to a second, until they all have stopped. False
// if some have not: in the middle of a call that cannot be interrupted. Nothing if it is not there.
bool freeze_cgroup(const std::filesystem::path& cgroup);

// Lets them go on.
void thaw_cgroup(const std::filesystem::path& cgroup);

// SIGKILL to every process in the cgroup and below, frozen or not. Nothing if it is not there.
void kill_cgroup(const std::filesystem::path& cgroup);

// SIGKILL to the processes in the cgroup itself that are not root's: what slurmstepd runs for the user.
void kill_users(const std::filesystem::path& cgroup);

// The ids (inode numbers) of the cgroup and those below; none if it is not there.
std::set<std::uint64_t> cgroup_ids(const std::filesystem::path& cgroup);

// True if a process is in it or below.
bool is_populated(const std::filesystem::path& cgroup);

// Kills every process in the cgroup and below, and removes it; nothing if it is not there. Throws
// Error(system) if processes are still in it after ten seconds.
void remove_cgroup(const std::filesystem::path& cgroup);

}  // namespace slurm
