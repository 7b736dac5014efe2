#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

#include "slurm/decide/policy.h"

namespace slurm {

// Makes the cgroup (if it is not there) and attaches the programs of fence.bpf.c to it, with the policy's
// peers as all that its processes reach. The programs go when the cgroup goes. Throws Error(system). Root.
void attach_fence(const std::filesystem::path& cgroup, Part part, const Policy& policy);

// The same for a person's session on a login host (slurm/session): its users' processes reach `peers` at the
// ports that `closed` leaves open, and sockets of the session itself.
void attach_session_fence(const std::filesystem::path& cgroup, const std::vector<Peer>& peers,
                          const std::vector<std::uint8_t>& closed);

// Fills a map of peers, IPv4 address to struct peer, of a BPF program that is loaded. Of an address that is
// there twice the last one counts. Throws Error(system).
void write_peers(int map_fd, const std::vector<Peer>& peers);

// What users' processes do not reach on another node: the system's ports, slurmd's, those of the site's
// daemons. One bit per port (fence_bpf.h).
std::vector<std::uint8_t> closed_ports(const Policy& policy);

}  // namespace slurm
