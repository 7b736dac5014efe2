#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/policy/enclave.h"
#include "core/policy/grant.h"

// Which jobs may enter an enclave's partition, and what becomes of their fields: as plain functions, without
// Slurm (job_submit_aloft.cpp is the edge). Every field is either normalised or a reason to refuse. This is
// admission, not the fence: steps and other doors never pass it.

namespace slurm {

struct Request {
    std::string account, partition;  // partition: "" if the user named none
    std::optional<std::string> script;
    std::vector<std::string> environment;
    std::string std_in, std_out, std_err, work_dir;
    bool heterogeneous = false, cron = false, container = false, burst_buffer = false, x11 = false,
         other_cluster = false;
    std::optional<std::uint32_t> minutes, tasks, tasks_per_node, cpus_per_task;
};

struct Admitted {
    std::string partition, script, std_in, std_out, std_err, work_dir;
    std::vector<std::string> environment;
    std::uint32_t minutes = 0;
    std::int64_t deadline = 0;  // seconds since 1970; 0: none
};

// Where a job's files are inside the fence, and on the login host in an enclave account's session.
inline constexpr const char* kWorkspace = "/aloft/workspace";

// The enclave of a job by `account` for `partition` (a list, as --partition takes it); none if it is an open
// account's job for open partitions. Throws Error(refused) if the two do not belong together.
std::optional<core::Enclave> enclave_of(const std::vector<core::Enclave>& enclaves,
                                        const std::string& account, const std::string& partition);

// Throws Error(refused) with a text for the user: what, why, and what to do instead.
// `kill_wait_seconds`: KillWait of slurm.conf, which Slurm adds to a job's time limit.
Admitted admit(const Request& request, const core::Enclave& enclave, const core::Grant& grant,
               std::int64_t now, std::int64_t kill_wait_seconds);

}  // namespace slurm
