#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/site.h"
#include "slurm/decide/policy.h"

// What root does on a node after a job: Epilog, and the agent for jobs that Slurm has lost.

namespace slurm {

// Epilog. For a job that is no enclave's it waits for nobody and fails for nothing. Throws as end_job.
void run_epilog(const std::filesystem::path& site_file, const std::filesystem::path& slurm_conf);

// Ends what begin_job began, and what the job left: processes, cgroups, keys, whatever its account has on
// this node (scrub.h). Spools the job's record. Throws Error(system) if something cannot be removed: Slurm
// drains a node whose Epilog fails. False if the job was no enclave's.
bool end_job(const core::Site& site, std::uint32_t job, std::int64_t now);

// The same for a run (Policy::start) whose Epilog never came; nothing if the job has another run here by now,
// or somebody else is at work on this node's jobs. `start` empty: there is no policy that could be read.
void end_lost_job(const core::Site& site, std::uint32_t job, const std::string& start, std::int64_t now);

// Jobs of which this node has a folder or a cgroup, but not those of the last half minute: Prolog may be at
// work.
struct Trace {
    std::string start;     // the run that the policy names; empty without one
    bool is_open = false;  // its policy says that it is no enclave's
};
std::map<std::uint32_t, Trace> jobs_with_traces(const core::Site& site);

// Overwrites and removes the unsealed keys.
void destroy_keys(const JobFiles& files);

// Processes, cgroups, keys and folder of the job.
void remove_job(const core::Site& site, std::uint32_t job);

// What the job's steps tried in vain so far, as a record may tell it (fence_check.h: nothing that a job can
// choose): {"blocked": {"connect": 10}, "attempts": [{"what": "TCP", "to": "https", "count": 10}, ...]}.
nlohmann::json blocked_so_far(const core::Site& site, std::uint32_t job);

// True for what was changed within the last half minute, false for what is not there.
bool is_young(const std::filesystem::path& path);

// A folder's name as a job's number; 0 if it is none.
std::uint32_t job_number(std::string_view name);

}  // namespace slurm
