#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace jobs {

// What Slurm knows of one job, as its `squeue --json` says; nothing once it is forgotten.
std::optional<nlohmann::json> find_job(std::int64_t job);

// The state of each job that Slurm knows and shows to this account, by number. Throws Error(system).
std::map<std::int64_t, std::string> job_states();

}  // namespace jobs
