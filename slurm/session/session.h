#pragma once
#include "slurm/session/request.h"

namespace slurm {

// Runs the caller's fenced session to its end and returns its exit code (128 + the signal that ended it). To
// be called first thing in a set-user-ID root process whose environment is empty (take_environment): the
// caller is who the kernel says by the real uid. The session ends when its shell does, when who started it
// goes away or hangs up, and when its account is no longer the enclave's; whatever it has left running ends
// then. Throws Error: nothing of the caller's has run.
int run_session(const Request& request);

}  // namespace slurm
