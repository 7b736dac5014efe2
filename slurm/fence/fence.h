#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

#include "slurm/decide/policy.h"

namespace slurm {

// Makes the cgroup (if it is not there) and attaches the programs of fence.bpf.c to it, with `peers` as all
// that its processes reach. The programs go when the cgroup goes. Throws Error(system). Root.
void attach_fence(const std::filesystem::path& cgroup, Part part, const std::vector<Peer>& peers,
                  std::uint16_t slurmd_port);

// Fills a map of peers, IPv4 address to kind, of a BPF program that is loaded. Throws Error(system).
void write_peers(int map_fd, const std::vector<Peer>& peers);

}  // namespace slurm
