#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "slurm/policy.h"

namespace slurm {

// Makes the cgroup (if it is not there) and attaches the programs of fence.bpf.c to it, with `peers` as all
// that its processes reach. The programs go when the cgroup goes. Throws Error(system). Root.
void attach_fence(const std::filesystem::path& cgroup, Part part, const std::vector<Peer>& peers,
                  std::uint16_t slurmd_port);

// How often each kind of thing was blocked in the cgroup so far; empty if there is no fence on it.
std::vector<std::pair<std::string, std::uint64_t>> blocked_counts(const std::filesystem::path& cgroup);

}  // namespace slurm
