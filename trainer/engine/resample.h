#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "core/mpi/comm.h"
#include "trainer/engine/pass.h"
#include "trainer/eval/metrics.h"

namespace trainer {

// Collective. What `report` says of rank 0's predictions, to the bit, with the resamplings dealt out to all ranks: on
// rank 0, null elsewhere. Nothing, on every rank, if `go_on` ended it. `predictions` and `validation` are looked at on
// rank 0 only; all ranks hold the former meanwhile. Throws AgreedError as `report` does.
std::optional<nlohmann::ordered_json> report_by_ranks(const Predictions& predictions,
                                                      const Predictions* validation,
                                                      const EvaluateOptions& options, const core::Comm& comm,
                                                      const GoOn& go_on);

}  // namespace trainer
