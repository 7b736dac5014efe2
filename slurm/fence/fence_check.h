#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "slurm/fence/fence_bpf.h"

// Looking at a fence that is on a cgroup. Raw system calls only: the plugin in slurmstepd needs no libbpf.

namespace slurm {

// Throws Error(system) unless every program of fence.bpf.c is attached to the cgroup that is open as `cgroup_fd`, loaded for
// the job that it is a part of: known by their names and by the job that they carry. Programs of others may stand beside them.
void require_fence(int cgroup_fd);

// How often each kind of thing was blocked so far: {"connect", 10}, roughly (rough_count); empty if there is
// no fence on the cgroup.
std::vector<std::pair<std::string, std::uint64_t>> blocked_counts(int cgroup_fd);

// What was tried, in words.
struct BlockedAttempt {
    std::string what;  // "TCP", "UDP", "a socket of protocol 132"
    std::string to;    // "203.0.113.5:443", "[2001:db8::1]:443", empty for a socket
    std::uint64_t count = 0;

    // "TCP to 203.0.113.5:443 (3 times)"
    std::string text() const;
};

// Most frequent first. At most 1024 different ones are kept. A job chooses addresses and ports: for its own
// author, inside its output, only.
std::vector<BlockedAttempt> blocked_attempts(int cgroup_fd);

// The same for records, which leave the node: what a job can choose must not be in them. So `what` is "TCP",
// "TCP by IPv6" or "a socket for SCTP", `to` the service that the port usually is ("https") or "other", and
// the count is cut by `rough_count`.
std::vector<BlockedAttempt> blocked_classes(int cgroup_fd);

// One line of the kernel's map as blocked_classes makes it.
BlockedAttempt class_of(const attempt& key, std::uint64_t count);

// Those of one class (or of one target) made one, most frequent first.
std::vector<BlockedAttempt> merged(const std::vector<BlockedAttempt>& attempts);

// 1, 10, 100 or 1000: the power of ten at or below it, 1000 at most; 0 for none. Exact numbers would be a
// message.
std::uint64_t rough_count(std::uint64_t count);

}  // namespace slurm
