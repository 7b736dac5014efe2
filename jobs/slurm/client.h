#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace jobs {

// What Slurm knows of one job, as its `squeue --json` says; nothing once it is forgotten.
std::optional<nlohmann::json> find_job(std::int64_t job);

}  // namespace jobs
