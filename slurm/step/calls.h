#pragma once
#include <linux/filter.h>

#include <span>
#include <vector>

// What a task may not ask of the kernel, as tables; the seccomp filter is made from them and from nothing
// else. To forbid one more call or option: one line in calls.cpp, and its line in
// tests/slurm/step/calls_test.cpp, which evaluates the filter for every system call of every kind (64 bit,
// x32, 32 bit).

namespace slurm {

struct CallGroup {
    const char* why;
    int error;  // what the caller is told
    std::span<const int> calls;
};

struct ForbiddenOption {
    int level, name;  // of setsockopt(2)
    const char* why;
};

std::span<const CallGroup> forbidden_calls();
std::span<const ForbiddenOption> forbidden_options();

// Calls above this one came to Linux after somebody last looked at what they do: to a task they do not exist
// yet (ENOSYS, as on an older kernel). 462 is mseal, of Linux 6.10.
inline constexpr int kNewestCall = 462;
inline constexpr int kLastNumber = 511;  // x32's own begin at 512

// The filter as the kernel gets it. Throws Error(system).
std::vector<sock_filter> task_filter();
// Lays it on this thread, for good. Throws Error(system).
void load_task_filter();

}  // namespace slurm
