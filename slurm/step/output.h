#pragma once

// slurmstepd opens a job's output by a name that the job's user chose, and waits for ever if a FIFO lies
// there: the job would run, with its keys on the node, until somebody reads it.

namespace slurm {

// From now on a call of this thread that waits longer than two seconds is interrupted (EINTR) five times a
// second: slurmstepd gives up an open after ten times and fails the job. Throws Error(system).
void limit_waiting();
// Output is open: this thread may wait again.
void allow_waiting() noexcept;

}  // namespace slurm
