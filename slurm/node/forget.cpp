#include "slurm/node/forget.h"

#include <chrono>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/policy/enclave.h"
#include "core/policy/names.h"
#include "slurm/decide/policy.h"
#include "slurm/fence/fence_bpf.h"
#include "slurm/node/begin.h"
#include "slurm/node/boot.h"
#include "slurm/node/end.h"
#include "slurm/node/farewell.h"
#include "slurm/node/network.h"

namespace slurm {

using core::Error;
using core::Fault;
namespace fs = std::filesystem;

namespace {

// Whom this node may still compute with: as the enclave's policy says, and as its jobs here say.
std::set<std::string> fellows_now(const core::Site& site, const std::string& host, const SlurmConf& conf,
                                  const std::string& enclave) {
    std::set<std::string> found;
    std::vector<core::UnusableEnclave> unusable;
    for (const core::Enclave& one : core::load_enclaves(site, &unusable))
        if (one.name == enclave && one.has_node(host)) found = others_of(one, host, look_at_network(conf));
    for (const core::UnusableEnclave& one : unusable)
        if (one.name == enclave)
            throw Error(Fault::data,
                        "the policy of enclave " + enclave +
                            " is unusable here, so its nodes are not known; have it published again");
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(site.run / "jobs", none)) {
        const fs::path file = JobFiles(site, job_number(entry.path().filename().string())).policy;
        if (!fs::exists(file)) continue;
        const Policy policy = parse_policy(core::read_text(file));
        for (const Peer& peer : policy.peers)
            if (policy.enclave == enclave && peer.kind == PEER_FELLOW) found.insert(peer.address);
    }
    return found;
}

}  // namespace

std::set<std::string> forget(const core::Site& site, const std::string& host, const SlurmConf& conf,
                             const std::string& enclave, const std::set<std::string>& addresses, bool dry_run,
                             const fs::path& state) {
    core::check_plain_name(enclave, "enclave");
    const core::Fd held = lock_jobs(site, std::chrono::seconds(60));  // Prolog adds to them
    const Fellows remembered = remembered_fellows(state);
    std::set<std::string> former = addresses;
    if (const auto all = remembered.find(enclave); former.empty() && all != remembered.end())
        former = all->second;
    const auto now = fellows_now(site, host, conf, enclave);
    for (const std::string& address : former)
        if (now.contains(address))
            throw Error(Fault::refused,
                        address + " is a fellow of this node in enclave " + enclave +
                            " still: by a job that is here, or by the enclave's policy; take the node out "
                            "of the policy first");
    if (dry_run || former.empty()) return former;
    forget_fellows(enclave, former, state);
    open_to_forgotten(site, enclave, former);
    return former;
}

}  // namespace slurm
