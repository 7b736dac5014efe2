#pragma once
#include <functional>
#include <string>
#include <vector>

#include "slurm/admit/admission.h"
#include "slurm/admit/dependency.h"
#include "slurm/admit/fields.h"

namespace slurm {

struct Context {
    core::Enclave enclave;
    core::Grant grant;
    std::string account;
    std::uint32_t uid = 0;
    std::int64_t now = 0, kill_wait_seconds = 0;
    FindOwner find;
    std::function<NodeWords()> known;  // asked only if the job names GPUs or features
};

// The grant that the job's variables name; "" for none. Throws Error(refused).
std::string grant_asked_for(const job_desc_msg_t& job);

// Admits `job` to the enclave: afterwards each of its fields is as the table of fields says. Returns notes for
// the user, a sentence each. Throws Error(refused); `job` is then not to be used.
std::vector<std::string> admit_job(job_desc_msg_t& job, const Context& context);

}  // namespace slurm
