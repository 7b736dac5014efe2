#pragma once
#include <filesystem>

#include "core/base/metrics.h"
#include "slurm/preflight/closing.h"

namespace slurm {

// aloft-node.prom: an enclave's jobs here by what became of them, whether the node is fit and closed as it must
// be, and what waits. Reads files of this host alone.
core::Metrics node_metrics(const core::Site& site, bool is_closed_after_boot,
                           const std::filesystem::path& state = kNodeState);

}  // namespace slurm
