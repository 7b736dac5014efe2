#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "core/base/site.h"
#include "slurm/decide/policy.h"

// The node's wall: a table of nftables per job that says the same as the fence's BPF programs (fence.bpf.c),
// by other code of the kernel: it knows the job's packets by the cgroup of their socket, and lets them go to
// the policy's peers by their interfaces and nowhere else. One of the two alone holds the job. Root.
//
// Why not a network namespace per job: tests/bench/fence/README.md has the figures.

namespace slurm {

using FencedPart = std::pair<std::filesystem::path, Part>;  // a cgroup, which must exist, and what runs there

// Puts up the wall of the policy's job around these cgroups, in place of one that is there. Throws
// Error(system): no job without.
void raise_wall(const core::Site& site, const Policy& policy, const std::vector<FencedPart>& parts);

// One cgroup more, on a wall that stands.
void extend_wall(std::uint32_t job, const FencedPart& part);

// Takes it down; nothing if this job has none. Throws Error(system) if it stays.
void take_wall_down(const core::Site& site, std::uint32_t job);

// Takes down those whose jobs have nothing on this node: a node's network can outlive its /run. Never throws:
// a wall that stays stops no job but its own.
void take_stray_walls_down(const core::Site& site) noexcept;

// The table of a job as nft reads it, and what puts one cgroup under it.
std::string wall_table(const Policy& policy);
std::string wall_rules(std::uint32_t job, const FencedPart& part);

}  // namespace slurm
