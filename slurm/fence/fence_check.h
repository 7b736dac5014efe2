#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

// Looking at a fence that is on a cgroup. Raw system calls only: the plugin in slurmstepd needs no libbpf.

namespace slurm {

// Throws Error(system) unless every kind of program of fence.bpf.c is attached to the cgroup that is open as
// `cgroup_fd`.
void require_fence(int cgroup_fd);

// How often each kind of thing was blocked so far: {"connect", 3}; empty if there is no fence on the cgroup.
std::vector<std::pair<std::string, std::uint64_t>> blocked_counts(int cgroup_fd);

// What was tried, in words.
struct BlockedAttempt {
    std::string what;  // "TCP", "UDP", "a socket of protocol 132"
    std::string to;    // "203.0.113.5:443", "[2001:db8::1]:443", empty for a socket
    std::uint64_t count = 0;

    // "TCP to 203.0.113.5:443 (3 times)"
    std::string text() const;
};

// Most frequent first. At most 1024 different ones are kept.
std::vector<BlockedAttempt> blocked_attempts(int cgroup_fd);

}  // namespace slurm
