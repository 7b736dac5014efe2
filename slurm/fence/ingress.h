#pragma once
#include <bpf/libbpf.h>

#include <cstdint>
#include <vector>

// Where our filters stand on the node's interfaces: tc's ingress, before any socket. The gate (gate.h) and what cuts a node that
// leaves a job (slurm/node/cut.h) each have a priority of their own there; the lower one is asked first.

namespace slurm {

inline constexpr std::uint32_t kCutPriority = 0xA10E, kGatePriority = 0xA10F;

// The interfaces of this network namespace but lo, by number. Throws Error(system).
std::vector<int> interfaces_but_lo();

bpf_tc_hook ingress_of(int interface);
bpf_tc_opts place_at(std::uint32_t priority);

}  // namespace slurm
