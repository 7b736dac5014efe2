#pragma once
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace jobs {

// What Slurm knows of one job, as its `squeue --json` says; nothing once it is forgotten.
std::optional<nlohmann::json> find_job(std::int64_t job);

// What Slurm says of a job, whichever version's JSON it is: 22.05 has one state and a wait status, 23.11 a list of states
// and an object. An array's tasks are jobs of their own.
struct SlurmJob {
    std::string name, account, state, reason;  // account: whose it is, as Slurm says; "" where it does not
    std::string exit;                          // "CODE:SIGNAL" as Slurm prints it; "" while it has not ended
    std::string words;                         // what a node, or the plugin, has to say of it; "" for nothing
    std::int64_t restarts = 0;                 // how often it was queued again
};
// Throws json::exception if it is not as either version writes it.
SlurmJob read_job(const nlohmann::json& job);

// True for a state in which a job stays: COMPLETED, FAILED, TIMEOUT ...
bool is_final(const std::string& state);

// Each job that Slurm knows and shows to this account, by number. Throws Error(system).
std::map<std::int64_t, SlurmJob> known_jobs();

}  // namespace jobs
