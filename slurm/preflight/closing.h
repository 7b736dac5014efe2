#pragma once
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/policy/check.h"

// A node that boots is closed to its former fellows before it has a network (`aloft-node close`, slurm/node/boot.h).
// Was it, at this boot, and will it be at the next?

namespace slurm {

// Where a node keeps what must outlive a boot: records on their way to aloftd, whom it had as fellows.
constexpr const char* kNodeState = "/var/lib/aloft-node";
using Fellows = std::map<std::string, std::set<std::string>>;  // addresses of nodes, by enclave

std::filesystem::path memory_of_fellows(const std::filesystem::path& state = kNodeState);
// Those that this node may have shared a job with. Throws Error(system), Error(data) if that is damaged.
Fellows remembered_fellows(const std::filesystem::path& state = kNodeState);

// Left by `aloft-node close`: the kernel's number of the boot.
constexpr const char* kClosedMark = "/run/aloft-node-closed";

// Throws Error(system).
void mark_closed_at_boot(const std::filesystem::path& mark = kClosedMark);

// Of the host whose files are below `root`. What cannot be told is bad; but for what the memory lies on, if the site
// says that it is kept (Site::keeps_node_state) and it is not seen to be in memory. Never throws.
std::vector<core::Check> check_closing(bool site_keeps_it, const std::filesystem::path& root = "/");

}  // namespace slurm
