#pragma once
#include <string>

#include "core/base/site.h"

// A node's own signing key, SITE.config/keys/node.key, by which aloftd knows its records; how another takes over from it, and from an
// enclave's.

namespace slurm {

// Makes it, if there is none, and node.pub beside it, which belongs into keys/nodes/HOST.pub of aloftd's host. True if it was made.
bool make_node_key(const core::Site& site);

// Makes node.next.key, if there is none, and node.next.pub, which belongs into keys/nodes/HOST~next.pub of aloftd's host: it knows
// this node by both then. True if it was made. Throws Error(usage) where there is no key to take over from.
bool make_next_node_key(const core::Site& site);

// From now on the next one signs, and the old one is gone. False if that has happened already; goes on where it was cut off.
bool switch_node_key(const core::Site& site);

// core::drop_old_enclave_key, on a node: throws Error(refused) if a seal that was published here needs the old key.
bool drop_old_enclave_key(const core::Site& site, const std::string& enclave);

}  // namespace slurm
