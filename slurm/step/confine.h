#pragma once
#include <filesystem>

// What a step's processes do to themselves before they become the user's. Called in slurmstepd (one domain
// for all ranks of a node, so that they still share memory) and in each task.

namespace slurm {

// Moves this process, with all its threads, into the cgroup. Throws Error(system).
void join_cgroup(const std::filesystem::path& cgroup);
// The same, but throws if there is no fence on it.
void enter_cgroup(const std::filesystem::path& cgroup);

// Landlock scope: no signals to and no abstract Unix sockets of processes outside, no tracing of them.
// Needs Linux 6.12 (ABI 6). Throws Error(system).
void enter_landlock_scope();
int landlock_abi() noexcept;  // 0: none
inline constexpr int kLandlockFloor = 6;

// In a slurmstepd whose step is refused: neither it nor a child of it starts a program from now on. Its tasks
// end before they would, but srun --task-epilog names a program that slurmstepd starts by itself.
void forbid_programs();

// In the slurmstepd of an extern step, whose one program only sleeps: nobody is answered from now on, and that
// program is killed as it starts. So the step ends at once, and with it, by Slurm, what it had taken in. (A
// program that cannot start is not enough: Slurm's child waits a second then, in which sessions are taken in.)
void end_extern_step();

// As the user, last thing before exec: no new privileges, no core dumps (a handler of them is outside),
// inherited descriptors closed, seccomp. Throws Error(system).
void restrict_task();

}  // namespace slurm
