#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "core/base/site.h"
#include "slurm/decide/policy.h"
#include "slurm/node/cut.h"
#include "slurm/node/farewell.h"
#include "slurm/preflight/heartbeat.h"

// The node's agent (aloft-node serve): what a grant's end, a revocation and another node's farewell reach
// running jobs by. The fence does not need it; new jobs of an enclave are refused while it does not run.

namespace slurm {

class Agent {
public:
    // Takes the agent's lock and its port. Throws Error(usage) if another one holds it. `slurm_conf`: its path.
    Agent(core::Site site, std::string slurm_conf, std::filesystem::path state = kNodeState);
    ~Agent();

    // One round: looks at every job of this node again, and ends those that must not go on. Nothing here waits
    // for a file system, the controller or another node: that is done in the background. Failures with one
    // job are logged and do not keep others from being looked at.
    void make_round();

private:
    void close_once();
    void look_at(const std::filesystem::path& folder);
    void hold(const Policy& policy, const Objection& objection);
    void let_go(std::uint32_t job);
    bool is_doubted_too_long(const Policy& policy, const Doubt& doubt);
    void end(const Policy& running, const std::string& reason);
    void finish_ended(const Policy& policy);
    void ask_slurm_to_end(const Policy& policy);
    void cut_again();
    bool on_left(const Farewell& farewell);
    bool on_left_all(const Farewell& farewell);
    bool cut(const Policy& policy, const Farewell& farewell);
    void work_in_background(bool is_idle);
    void look_at_node(bool is_idle);

    core::Site site_;
    std::string slurm_conf_;
    std::filesystem::path state_;
    std::string host_;
    bool is_closed_ = false, has_told_open_ = false;  // to the nodes it had as fellows before it lost power
    Heartbeat heartbeat_;
    std::map<std::uint32_t, bool> slurm_knows_;  // by job that was ended: has scancel reached the controller?
    std::set<std::pair<std::uint32_t, std::string>> recorded_;  // ends, in case nothing can be written down
    std::map<std::uint32_t, std::int64_t> held_;  // by job that stands still: since when, in seconds of boot

    std::mutex cutting_;  // of what follows: the listener's thread and the rounds
    Cuts cuts_;
    struct Left {
        std::string start;
        std::vector<std::string> by;  // addresses
    };
    std::map<std::uint32_t, Left> left_;  // jobs here that a fellow has left

    FarewellPort port_;
    std::jthread listener_;

    // What may take long.
    std::chrono::steady_clock::time_point reconciled_{}, looked_{}, reported_{}, asked_{}, metered_{};
    std::future<void> reconciling_, telling_, forwarding_, asking_, metering_;
    struct Look {
        bool is_fit = false;  // for an enclave's job to begin
        std::string outcome;  // if it was reported
    };
    std::future<Look> looking_;
    bool is_fit_ = false;
    std::string outcome_;  // of the checks that were reported
    unsigned rounds_ = 0;
};

}  // namespace slurm
