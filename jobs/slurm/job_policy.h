#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/site.h"
#include "core/policy/enclave.h"
#include "core/policy/grant.h"

// What a job may do, before it is submitted: for `aloft submit --dry-run`. It only tells; admission
// (slurmctld), Prolog and the fence (the nodes) decide.

namespace jobs {

struct JobWish {
    std::int64_t nodes = 1, tasks_per_node = 1, minutes = 0;  // minutes 0: as many as may be
    std::int64_t cpus_per_task = 0;                           // 0: Slurm's own, one
    std::string gpus{}, gpus_per_node{}, gpus_per_task{};     // "2", "a100:2"; "" for none
    std::string constraint{};                                 // features of nodes: "a100&nvme"
    std::string memory{};                                     // per node, "32G"; "" for the partition's
    std::string array{}, signal{};  // as Slurm takes them; "" for none, the enclaves' own warning
    bool requeue = true;            // after a lost node, too
    std::int64_t begin = 0;         // seconds since 1970; 0: at once
    std::string grant{};            // under which of one's own; "": the newest
    std::string image{};            // in which of the enclave's images; "": the nodes' own system
};

// Throws Error(refused) for what no enclave's job may ask, with the text that Slurm's controller would say.
void check_wish(const JobWish& wish, std::int64_t now);

// The options of sbatch that say it.
std::vector<std::string> sbatch_options(const JobWish& wish, std::int64_t now);

// What people write for --begin: "2h" from now on, or "2026-11-27T06:00:00Z". Throws Error(usage).
std::int64_t parse_begin(const std::string& text, std::int64_t now);

// check_wish, and then {"minutes", "minutes_why", "nodes", "data": [{"dataset", "path", "key", "sealed"}], "software", "network",
// ...}. Throws Error(refused) if the grant ends too soon for any job or more minutes are asked for than the enclave gives one,
// Error(usage) if the enclave has fewer nodes.
nlohmann::json job_policy(const core::Site& site, const core::Enclave& enclave, const core::Grant& grant,
                          const JobWish& wish, std::int64_t kill_wait_seconds, std::int64_t now);

// The same in words, a line per topic.
std::string in_words(const nlohmann::json& policy);

}  // namespace jobs
