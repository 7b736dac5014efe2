#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

// What a step's fence blocked, as the job's record has it: {"blocked": {KIND: COUNT}, "attempts": [{"what", "to", "count"}]}, in classes and rough counts
// (fence_check.h). With cgroup v2 alone the fence is on Slurm's own cgroup of the step, which slurmstepd removes before Epilog comes: so the plugin keeps it
// in the job's folder when the last task ends.

namespace slurm {

// Of the fence on the cgroup that is open as `cgroup_fd`; nothing in it if there is none.
nlohmann::json blocked_by(int cgroup_fd);

// Into the folder (of JobFiles, a descriptor), as what `step` was blocked. Throws Error(system).
void keep_blocked(int folder_fd, std::uint32_t step, const nlohmann::json& blocked);

// Was it kept?
bool has_kept_blocked(const std::filesystem::path& folder, std::uint32_t step);

// All that was kept in the folder, together.
nlohmann::json kept_blocked(const std::filesystem::path& folder);

// Both together, each class and kind once.
nlohmann::json both_blocked(const nlohmann::json& one, const nlohmann::json& other);

}  // namespace slurm
