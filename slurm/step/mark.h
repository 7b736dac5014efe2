#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "slurm/decide/policy.h"

// How the wrapper knows that it runs inside the fence. What a hardened daemon may leave on its children (no
// new privileges, some seccomp filter) proves nothing; a root-owned file in the root of the view, which only
// the plugin can put there, and which names this job, does.

namespace slurm {

inline constexpr const char* kMark = "/aloft/fence";

// Whose cgroup the fence is on: ours, where cgroup v2 lies beside v1, else the step's own of Slurm.
enum class Fenced { ours, slurms };

std::string mark_text(std::uint32_t job, Part part, Fenced fenced,
                      std::string_view version = core::version());
// A mark as the plugin of another version writes it.
bool is_mark_of_other_version(std::string_view text, std::uint32_t job, Part part);

// Is `cgroup`, a path of cgroup v2 as /proc/self/cgroup has it, below the one of that job's part that is fenced?
bool is_fenced_cgroup(std::string_view cgroup, std::uint32_t job, Part part, Fenced fenced);

// In the wrapper, as the user. Throws Error(refused) unless this process runs in the view of `job`, sealed,
// in the job's cgroup, without privileges and behind the seccomp filter of calls.h. Error(requeue) if the plugin
// that made the view is of another version.
void require_mark(std::uint32_t job, Part part);

// Where the tasks of a job, as they begin, leave word for the wrapper that waits for them; seen from inside.
std::filesystem::path marks_of(std::uint32_t job);
inline constexpr const char* kRequeueMark = "requeue";  // end the tasks, and have the job run again
inline constexpr const char* kAgainMark = "again";      // beside that one: for what is no fault of the job's

inline constexpr const char* kNestedMark =
    "srun";  // end the tasks: what one called would start all once per task

// In a task, as the user. False where the workspace is full or not there: nobody hears it, and Slurm's time limit is left.
bool leave_word(std::uint32_t job, const char* mark) noexcept;

}  // namespace slurm
