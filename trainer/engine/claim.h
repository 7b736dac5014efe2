#pragma once
#include <filesystem>
#include <functional>

#include "core/base/file_lock.h"

namespace trainer {

// Rank 0's claim to the folder of a run, which is there: while it lives, no other run writes into it. The ranks of a run
// that was killed may end a moment later, and the storage keeps the locks of a host that is lost until their lease is
// over: it waits two seconds for whoever has the lock, and for three minutes where Slurm has begun the job anew. Throws
// Error(system) if a run is at work there, Error(requeue) if `is_stopped` says so meanwhile. Where the file system has
// no locks there is none, which the event run_not_locked says.
core::FileLock claim(const std::filesystem::path& out, const std::function<bool()>& is_stopped);

}  // namespace trainer
