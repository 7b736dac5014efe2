#pragma once
#include <filesystem>
#include <set>
#include <string>

namespace slurm {

// The names that slurm.conf gives to nodes' GPUs and features. A job that asks for another is refused before
// it has a record: one that slurmctld refuses itself stands among the failed jobs, with what it asked for,
// for all who may see jobs.
struct NodeWords {
    std::set<std::string> gpu_types, features;
};

// From slurm.conf and the files that it includes; not those that an admin gave to a running node by scontrol. Throws
// Error(system) if one cannot be read.
NodeWords load_node_words(const std::filesystem::path& slurm_conf);

}  // namespace slurm
