#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace slurm {

// {interface, IPv4 address in host order}
using Addresses = std::vector<std::pair<std::string, std::uint32_t>>;

// The interfaces, each once, that carry one of `own`, in the order of `all`. Not the loopback: other nodes are not there.
std::vector<std::string> interfaces_with(const Addresses& all, const std::vector<std::uint32_t>& own);

// Those of this node on which the job's other nodes know it: that carry the addresses which its name has inside the
// job (names.h). NCCL, Gloo and Open MPI take what comes first or sounds fast, and the fence lets nothing pass on the
// others. Empty where the name has no address here.
std::vector<std::string> job_interfaces();

}  // namespace slurm
