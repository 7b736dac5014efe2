#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/files.h"
#include "core/base/site.h"
#include "slurm/decide/policy.h"

// What root does on a compute node: before a job (Prolog), after it (Epilog), and on request.

namespace slurm {

// The job as Slurm describes it to Prolog in the environment; its account is the controller's name for the uid.
// Throws Error(usage) without it.
Job job_from_environment();
// How many GPUs SLURM_JOB_GPUS names: "0,1", "0-3,7", none: ""; nothing for what is no such list.
std::optional<std::uint32_t> count_gpus(std::string_view list);
// To Epilog the number is enough. Throws Error(usage) without it.
std::uint32_t job_id_from_environment();

// Held by who changes what lies there for an enclave's job: Prolog, Epilog, the agent. Not open, if somebody
// else holds it for longer than `patience`. Throws Error(system) if it cannot be made.
core::Fd lock_jobs(const core::Site& site, std::chrono::milliseconds patience);

// Prolog. A job that is no enclave's passes, whatever is wrong with our files: what the node knew last
// (core/policy/known.h) says whose it is. An enclave's is begun; one that cannot be judged, because our own files are
// unsound, is refused. Throws only where the node is at fault, so that Slurm drains it; slurmctld has the reason
// by then, as far as it answers.
void run_prolog(const std::filesystem::path& site_file, const std::filesystem::path& slurm_conf);

// Decides, and lays down what the plugin needs: policy file, grant, token, keys, fenced cgroups. Where nothing can be
// told of the grant it waits a while: a node that has just booted has the list before its mirror was here. Tolerates
// what an earlier run of the same job left. A refusal is a policy too (the job's output shows it); throws
// only where the node is at fault, as preflight judges it too, so that Slurm drains it.
Policy begin_job(const core::Site& site, const Job& job, const std::filesystem::path& slurm_conf);

// The signed grant that the mirror has. Throws Error(refused) if it is not there any more: it was revoked since the
// node decided, which is nothing that the node is at fault for.
std::string text_of_grant(const core::Site& site, const std::string& grant);

// A job costs what it may use at its time limit, on all its nodes, each taken to have as many GPUs as this one. Throws Error(refused)
// if the grant has a budget that does not last for it, also after `patience`, or if the cost is not known.
void check_budget(const core::Site& site, const Policy& policy, std::optional<std::uint32_t> gpus,
                  std::int64_t most_seconds, std::int64_t now, std::chrono::milliseconds patience);

// Jobs that have a policy here: [{"job": 17, "enclave": "hel", "ruling": "enclave", "blocked": {...}}, ...].
nlohmann::json status(const core::Site& site);

}  // namespace slurm
