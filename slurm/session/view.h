#pragma once
#include "core/base/site.h"
#include "slurm/session/account.h"
#include "slurm/session/reach.h"

namespace slurm {

// A root for this process and its children, in namespaces of its own (mounts, IPC, host name): the system's
// trees, Aloft's, the policy's software, the account's workspace, private /tmp, /var/tmp and /dev/shm, and
// two sockets, munge's and aloftd's. No /home, no other workspace, no dataset, nothing that another account
// can lock or write. For process 1 of a new PID namespace, still root. Throws Error(system).
void enter_session_view(const core::Site& site, const SessionAccount& account, const Reach& reach);

}  // namespace slurm
