#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace jobs {

struct Finished {
    int code = 0;  // exit code; 128 + signal
    std::string output, errors;
};

// Runs a program from PATH with `input` on its standard input and waits for it. Throws Error(system) if it is
// not there.
Finished run_program(const std::vector<std::string>& command, const std::string& input);

// What Slurm knows of one job, as its `squeue --json` says; nothing once it is forgotten.
std::optional<nlohmann::json> find_job(std::int64_t job);

}  // namespace jobs
