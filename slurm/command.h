#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace slurm {

// Runs a program (absolute path first) with a small fixed environment and returns what it printed on stdout;
// nothing if it is not there, fails, prints more than 1 MiB or takes longer than `limit`: then it is killed.
// For Slurm's commands, which wait long for a controller that is down.
std::optional<std::string> output_of(const std::vector<std::string>& words, std::chrono::milliseconds limit);

}  // namespace slurm
