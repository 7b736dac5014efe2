#pragma once

namespace slurm {

// Throws Error(system) unless every kind of program of fence.bpf.c is attached to the cgroup that is open as
// `cgroup_fd`. Raw system calls only: the plugin in slurmstepd needs no libbpf.
void require_fence(int cgroup_fd);

}  // namespace slurm
