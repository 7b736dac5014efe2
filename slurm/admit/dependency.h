#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

// Who may make a job wait for which. Slurm 22.05 lets any account wait for any job, and tells it, by when its
// own job starts, whether and how that one ended: a bit for each job or task of an array.

namespace slurm {

// What slurmctld knows of job number `id`. Of an array any task's record will do: they have one owner.
struct JobOwner {
    enum class State { known, past, future } state = State::past;
    std::uint32_t uid = 0;  // if known
};
using FindOwner = std::function<JobOwner(std::uint32_t id)>;

// --dependency of a job of an enclave's account `uid`, written again from what was read: `singleton`, and
// after, afterany, afternotok, afterok and aftercorr with numbers of jobs of the account's own.
// "" for "" and "0" (none). Throws Error(refused) for anything else.
std::string own_dependency(const std::string& text, std::uint32_t uid, const FindOwner& find);

// --dependency of any other account: left as it is, but Error(refused) if it names a job for whose owner
// `is_enclave` holds, or one that is yet to come (it could become one). What Slurm itself would refuse may pass.
void forbid_enclave_jobs(const std::string& text, const FindOwner& find,
                         const std::function<bool(std::uint32_t uid)>& is_enclave);

}  // namespace slurm
