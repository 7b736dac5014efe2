#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/mpi/comm.h"
#include "trainer/engine/pass.h"
#include "trainer/engine/patch.h"
#include "trainer/engine/step.h"
#include "trainer/eval/metrics.h"
#include "trainer/loader/dataset.h"
#include "trainer/task/task.h"

namespace trainer {

struct PredictOptions {
    std::string split, field;
    std::int64_t batch = 64;                   // per rank: samples, or windows of one
    Precision precision = Precision::float32;  // that of the training
    PatchOptions patch = {};                   // where it was trained by patches
    GoOn go_on = {};                           // none: to the end
    bool has_surfaces = true;                  // of masks, figures of surfaces
    std::vector<std::string> flips = {};       // axes of test-time flips: mean_over_flips
};

// Collective. Throws Error(usage) on all ranks for flips along an axis that samples do not have. What the model says of every sample of the split, each once, in the order of their numbers: on
// rank 0; empty elsewhere. Nothing, on every rank, if it was left off (`go_on`). Throws AgreedError (data: damage, or
// a label that is missing, or a mask that is none).
std::optional<Predictions> predict(Model& model, const Task& task, const Dataset& dataset,
                                   const PredictOptions& options, const core::Comm& comm);

// Does the split have samples?
bool has_samples(const Dataset& dataset, const std::string& split);

}  // namespace trainer
