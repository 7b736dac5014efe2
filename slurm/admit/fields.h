#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

extern "C" {
#include <slurm/slurm.h>
}

// What becomes of each field of job_desc_msg_t, which is what slurmctld gets with a submission and with an
// update. The table in fields.cpp has a row for every one; a test goes through the structure byte by byte.

namespace slurm {

enum class Kind {
    text,    // char*
    number,  // an unsigned integer or a time
    other,   // a pointer to something else: a list, or Slurm's own
};

enum class Rule {
    ours,     // admission writes it (submission.cpp)
    asked,    // stays as the user asked, up to `most`
    unset,    // becomes as if nobody had asked
    refused,  // a job that has it is refused, with `text`
    slurms,   // slurmctld fills it in or checks it by itself, whatever the user sent
};

struct Field {
    const char* name;
    std::size_t offset, size;
    Kind kind;
    Rule rule;
    const char* text = "";   // refused: why, and what to do
    std::uint64_t most = 0;  // asked: the largest number that may be asked for
};

std::span<const Field> fields();

// The number in `field`, which is one.
std::uint64_t number_of(const job_desc_msg_t& job, const Field& field);
// Whether the job has something there that slurm_init_job_desc_msg does not put there.
bool is_set(const job_desc_msg_t& job, const Field& field);

// Throws Error(refused) for a field of rule `refused` that is set, or one of rule `asked` beyond its most.
void refuse_fields(const job_desc_msg_t& job);
// Makes the fields of rule `unset` as if nobody had asked.
void unset_fields(job_desc_msg_t& job);
// Null if an update asks for nothing but to hold or to release the job; else the first field that asks for more.
const Field* beyond_hold(const job_desc_msg_t& update);

}  // namespace slurm
