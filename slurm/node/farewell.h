#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/files.h"
#include "core/base/site.h"
#include "slurm/decide/policy.h"
#include "slurm/decide/slurm_conf.h"
#include "slurm/node/boot.h"
#include "slurm/node/network.h"

// How the nodes of a job part. Slurm frees them one by one, and a node that is free is anybody's: so it closes
// itself to its fellows before it is free, tells their agents that it left, and opens again to those that have
// answered that no task of the job can reach it any more (README.md, "The end of a job over several nodes").

namespace slurm {

// UDP, to each agent. Below 1024, where neither the fence nor the gate lets a job's packets through; below 600,
// where no RPC client binds at random.
constexpr std::uint16_t kFarewellPort = 599;

// A node's end of one run of a job: SITE.run/closing/JOB.START.
struct Leaving {
    std::uint32_t job = 0;
    std::string start;             // of the run (Policy::start)
    std::string enclave;           // whose key authenticates what is said
    std::vector<std::string> own;  // this node's addresses
    std::set<std::string> closed;  // fellows' addresses to which this node is closed
    std::uint16_t slurmd_port = 6818;
};

// Closes this node to the job's other nodes. Nothing for a job without any. Throws Error(system) if it cannot.
void close_to_fellows(const core::Site& site, const Policy& policy);

// A node that lost power left all its jobs at once, and does not know with whom it had them: it closes itself
// to the other nodes of its enclaves, and to all whom it `remembered` (boot.h): it may have been taken out of an
// enclave meanwhile. Nothing if this boot did so before. `slurm_conf`: as for load_slurm_conf. `now`: the first
// call of a boot is the moment at which the node came back, so it must come before slurmd's start. Throws Error if it cannot, or if it is not known yet
// which nodes those are, or slurm.conf is not there to say their addresses: then it must be called again.
void close_after_boot(const core::Site& site, const std::string& host, std::int64_t now,
                      const std::filesystem::path& slurm_conf, const Fellows& remembered);

// Addresses of all nodes of the enclave but this one, as its policy says; a node without any is left out, with a warning.
std::set<std::string> others_of(const core::Enclave& enclave, const std::string& host,
                                const NodeNetwork& network);

// Opens this node to former fellows of an enclave who will never answer: root says that they compute no more (forget.h).
void open_to_forgotten(const core::Site& site, const std::string& enclave,
                       const std::set<std::string>& addresses);

// Was that done, since this boot? Waits for it up to `patience`. No job may begin before.
bool has_closed_after_boot(const core::Site& site, std::chrono::milliseconds patience);

// Closes it to those of `addresses` that are the job's other nodes; they left it, and it runs here.
void close_to(const core::Site& site, const Policy& policy, const std::vector<std::string>& addresses);

// The addresses this node is closed to on behalf of that run.
std::set<std::string> closed_by(const core::Site& site, const Policy& policy);

// Tells fellows that this node left the run, again and again until all have answered or `patience` is over,
// and opens the node to those that have. `wanted` chooses the runs. True if none is waited for any more. Of an
// enclave whose key is not here nobody can be told: to those the node stays closed, and nobody waits for them.
bool tell_fellows(const core::Site& site, std::chrono::milliseconds patience,
                  const std::function<bool(const Leaving&)>& wanted);

// Every run that this node has left.
bool tell_all_fellows(const core::Site& site, std::chrono::milliseconds patience);

// What a node says when it leaves, and what the other answers when it has cut the job. Both carry an
// HMAC-SHA-256 under a key that comes from the enclave's private key: root on its nodes, nobody else.
struct Farewell {
    enum class Kind { left, cut } kind = Kind::left;
    std::string enclave;
    std::uint32_t job =
        0;  // 0: every one that began before the second that `start` is, after a loss of power
    std::string start;
    std::vector<std::string> own;  // of who says it; empty in an answer
    std::string to;                // the address it was sent to, so that an answer counts for that one only
    std::string nonce;             // of the question
};
std::string seal(const core::Site& site, const Farewell& farewell);
// Throws Error(refused) if it is not authentic, Error(data) if it is not of this form.
Farewell open_farewell(const core::Site& site, std::string_view text);

// The agent's end: answers until `stop` says so, `on_left` decides: true once the job is cut here.
class FarewellPort {
public:
    // Throws Error(system) if the port is taken.
    FarewellPort();
    // One question at most; false after `patience` without one.
    bool answer(const core::Site& site, std::chrono::milliseconds patience,
                const std::function<bool(const Farewell&)>& on_left);

private:
    core::Fd socket_;
};

}  // namespace slurm
