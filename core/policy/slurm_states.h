#pragma once
#include <algorithm>
#include <array>
#include <string_view>

namespace core {

// Slurm's states in which a job stays (squeue(1), JOB STATE CODES); in any other it is not over. The one list of them;
// tests/cluster/states_over has the same words for scripts.
struct SlurmEnd {
    std::string_view state, outcome;  // outcome: our word for it, in records
};
inline constexpr std::array<SlurmEnd, 10> kSlurmEnds{{{"COMPLETED", "completed"},
                                                      {"FAILED", "failed"},
                                                      {"CANCELLED", "cancelled"},
                                                      {"TIMEOUT", "timeout"},
                                                      {"DEADLINE", "timeout"},
                                                      {"NODE_FAIL", "node-fail"},
                                                      {"BOOT_FAIL", "node-fail"},
                                                      {"OUT_OF_MEMORY", "out-of-memory"},
                                                      {"PREEMPTED", "preempted"},
                                                      {"REVOKED", "cancelled"}}};

// How a job in this state ended; empty if it is not over.
constexpr std::string_view outcome_of_state(std::string_view state) {
    const auto* end = std::find_if(kSlurmEnds.begin(), kSlurmEnds.end(),
                                   [&](const SlurmEnd& one) { return one.state == state; });
    return end == kSlurmEnds.end() ? std::string_view{} : end->outcome;
}

}  // namespace core
