#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <future>
#include <map>
#include <optional>
#include <string>

#include "core/base/files.h"
#include "core/base/site.h"
#include "slurm/decide/policy.h"
#include "slurm/preflight/heartbeat.h"

// The node's agent (aloft-node serve): what a grant's end and a revocation reach running jobs by. The fence
// does not need it; new jobs of an enclave are refused while it does not run.

namespace slurm {

class Agent {
public:
    // Takes the agent's lock. Throws Error(usage) if another one holds it. `slurm_conf`: its path.
    Agent(core::Site site, std::string slurm_conf);

    // One round: looks at every job of this node again and ends those that must not go on; now and then also
    // clears what is left of jobs that Slurm does not know here any more. Failures with one job are logged
    // and do not keep others from being looked at.
    void make_round();

private:
    void look_at(const std::filesystem::path& folder);
    void end(const Policy& running, const std::string& reason);
    void ask_slurm_to_end(const Policy& policy);
    void reconcile();
    void report_preflight(bool is_idle);
    void clear_lost_jobs(const std::string& known_to_slurm);

    core::Site site_;
    std::string slurm_conf_, host_;
    Heartbeat heartbeat_;
    std::chrono::steady_clock::time_point asked_{};
    std::chrono::steady_clock::time_point checked_{}, reported_{};
    std::string outcome_;                                // of the checks that were reported
    std::future<std::optional<std::string>> jobs_here_;  // what the controller says, while it is asked
    std::map<std::uint32_t, bool> slurm_knows_;  // by job that was ended: has scancel reached the controller?
};

}  // namespace slurm
