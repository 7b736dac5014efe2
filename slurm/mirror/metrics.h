#pragma once
#include "core/base/metrics.h"
#include "slurm/mirror/mirror.h"

namespace slurm {

// aloft-mirror.prom: how old what this host goes by is. Reads SITE.mirror, which is here.
core::Metrics mirror_metrics(const core::Site& site, const Attempts& attempts);

}  // namespace slurm
