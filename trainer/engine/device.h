#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace trainer {

// The GPUs that one rank sees, in the order of their numbers there: each by what tells it from all others
// (its UUID, or its place on the bus).
using VisibleGpus = std::vector<std::string>;

// Which GPU each rank of a node takes, by its number in that rank's own list. Whoever gives every rank a
// GPU of its own (Slurm with --gpus-per-task) shows each one device; whoever does not shows all of them to
// all. Nothing if there are not enough for every rank to have one of its own.
std::optional<std::vector<std::size_t>> share_out(const std::vector<VisibleGpus>& ranks);

// Whether Slurm gave this job GPUs, by its variables.
bool job_has_gpus(const std::map<std::string, std::string>& environment);

}  // namespace trainer
