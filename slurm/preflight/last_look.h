#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "slurm/preflight/preflight.h"

// A node may turn bad after its enclave opened. So the agent looks at it again and again, and keeps what it found
// where Prolog sees it: SITE.run/preflight.json, root's alone, {"boot_seconds", "checks": [...]}.

namespace slurm {

// `checks`: of check_node. Throws Error(system) if it cannot be written.
void keep_look(const core::Site& site, const std::vector<Check>& checks);

// What the agent kept; nothing if there is none, a damaged one, or one from more than 12 hours ago.
std::optional<std::vector<Check>> kept_look(const core::Site& site);

// What is bad about this node as a job begins: `now` (check_quickly), and of what it does not have, the agent's last look.
// A look that is missing or bad is waited for, up to `patience`: an agent looks soon at a node that was bad.
// Nothing if there is no look at all.
std::optional<std::vector<Check>> misses_at_begin(const core::Site& site, const std::vector<Check>& now,
                                                  std::chrono::milliseconds patience);

// "preflight: KillWait: 60", and how many more there are. `misses`: one at least.
std::string reason_of(const std::vector<Check>& misses);

}  // namespace slurm
