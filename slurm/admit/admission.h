#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/policy/enclave.h"
#include "core/policy/grant.h"
#include "slurm/admit/node_words.h"

// Which jobs may enter an enclave's partition, and what becomes of them: as plain functions, without Slurm.
// What others can see of a job (its name, folders, files, numbers) is chosen here and not by its user. What
// becomes of each of Slurm's fields: fields.cpp. This is admission, not the fence: steps and other doors never
// pass it.

namespace slurm {

// GPUs, and what comes with each, field by field of job_desc_msg_t.
struct Gpus {
    std::string per_job, per_node, per_socket, per_task, cores, memory;
};

struct Request {
    std::string account;
    std::optional<std::string> script;
    std::vector<std::string> arguments;  // of the script
    std::vector<std::string> environment;
    std::string std_in, std_out, std_err, work_dir;
    std::string array;                          // as --array takes it; "" for none
    std::vector<std::string> wanted, unwanted;  // nodes by name
    std::string features;                       // as --constraint takes it
    Gpus gpus;                                  // as --gres takes them
    NodeWords known;                            // of which names of GPUs and features it may choose
    std::int64_t begin = 0;                     // seconds since 1970; 0: at once
    std::string grant;                          // under which of the account's; "": the newest
    std::string image;                          // in which of the enclave's; "": the node's own system
    std::optional<std::uint32_t> minutes, nodes, tasks, tasks_per_node, cpus_per_task;
};

struct Admitted {
    std::string name, partition, script, std_in, std_out, std_err, work_dir, array, wanted, unwanted,
        features;
    Gpus gpus;
    std::vector<std::string> arguments, environment;
    std::vector<std::string> prolog_environment;  // what Slurm carries to Prolog beside the job
    std::uint32_t minutes = 0;
    std::uint64_t warning_seconds = 0;  // before its time is over, unless it asks for a signal of its own
    std::int64_t begin = 0;             // seconds since 1970; 0: at once
    std::int64_t deadline = 0;          // seconds since 1970; 0: none
    std::vector<std::string> notes;     // what is not as the user asked, a sentence each
};

// Where a job's files are inside the fence, and on the login host in an enclave account's session.
inline constexpr const char* kWorkspace = "/aloft/workspace";
// What every enclave's job is called. Its researcher's name for it would be read by others.
inline constexpr const char* kJobName = "aloft";

// Whether `list`, as --partition takes it, names `partition`.
bool names_partition(const std::string& list, const std::string& partition);

// The enclave of a job by `account` for `partition` (a list, as --partition takes it); none if it is an open
// account's job for open partitions. Throws Error(refused) if the two do not belong together.
std::optional<core::Enclave> enclave_of(const std::vector<core::Enclave>& enclaves,
                                        const std::string& account, const std::string& partition);

// What a submission's variables say of one; "" where they do not.
std::string wished(const std::vector<std::string>& environment, std::string_view name);
// The grant that a submission names in its variables (aloft submit --grant); "" for none. Throws Error(refused).
std::string wished_grant(const std::vector<std::string>& environment);

// Throws Error(refused) with a text for the user: what, why, and what to do instead.
// `kill_wait_seconds`: KillWait of slurm.conf, which Slurm adds to a job's time limit.
Admitted admit(const Request& request, const core::Enclave& enclave, const core::Grant& grant,
               std::int64_t now, std::int64_t kill_wait_seconds);

}  // namespace slurm
