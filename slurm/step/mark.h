#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "slurm/decide/policy.h"

// How the wrapper knows that it runs inside the fence. What a hardened daemon may leave on its children (no
// new privileges, some seccomp filter) proves nothing; a root-owned file in the root of the view, which only
// the plugin can put there, and which names this job, does.

namespace slurm {

inline constexpr const char* kMark = "/aloft/fence";

std::string mark_text(std::uint32_t job, Part part);

// In the wrapper, as the user. Throws Error(refused) unless this process runs in the view of `job`, sealed,
// in the job's cgroup, without privileges and behind the seccomp filter of calls.h.
void require_mark(std::uint32_t job, Part part);

}  // namespace slurm
