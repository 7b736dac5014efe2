#pragma once
#include <string>
#include <vector>

#include "jobs/cli/commands.h"
#include "jobs/slurm/job_policy.h"

namespace jobs {

struct Wish : JobWish {
    std::string name;
    std::vector<std::string> program;
};

// What every job may ask for on its nodes.
void add_wishes(CLI::App& command, Wish& wish);

// Records it and hands it to Slurm: {"job", "grant", "enclave"}. Throws Error(refused) with the reason.
nlohmann::json submit_job(const Common& common, const Wish& wish);

// For --dry-run: what would be submitted.
void tell_submission(const Common& common, const Wish& wish);

}  // namespace jobs
