#pragma once
#include <string_view>
#include <vector>

#include "core/policy/enclave.h"
#include "slurm/decide/policy.h"
#include "slurm/decide/slurm_conf.h"
#include "slurm/node/network.h"

namespace slurm {

// All addresses that a job on this node (`host`) may meet, each with its kind and its interfaces:
// controllers, the job's other nodes, this node's own, and those of its own networks that nobody talks to
// (broadcasts).
//
// The other nodes' come from the enclave's policy, else from Slurm (NodeAddr), else from /etc/hosts: never
// from a name service, whose answer would open the fence. Each lies in one of the policy's networks; without
// any, on a network of this node. Its interfaces are that of its route, and those of the policy that are on
// the same network. Throws Error(system) where that does not hold: the node cannot be fenced.
std::vector<Peer> peers_of(const Job& job, const SlurmConf& conf, const core::Enclave& enclave,
                           std::string_view host, const NodeNetwork& network);

// Where a node of the enclave is, by the same sources; not whether it may be a peer. Throws Error(system) if it
// is nowhere.
std::vector<std::uint32_t> addresses_of(const std::string& node, const core::Enclave& enclave,
                                        const NodeNetwork& network);

}  // namespace slurm
