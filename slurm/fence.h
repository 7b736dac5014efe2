#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

#include "slurm/policy.h"

namespace slurm {

// Makes the cgroup (if it is not there) and attaches the programs of fence.bpf.c to it, with `peers` as all
// that its processes reach. The programs go when the cgroup goes. Throws Error(system). Root.
void attach_fence(const std::filesystem::path& cgroup, Part part, const std::vector<Peer>& peers,
                  std::uint16_t slurmd_port);

}  // namespace slurm
