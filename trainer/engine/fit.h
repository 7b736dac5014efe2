#pragma once
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/mpi/comm.h"
#include "trainer/engine/permission.h"
#include "trainer/engine/recipe.h"

namespace trainer {

struct FitRequest {
    std::vector<Access> access;   // of several datasets, which are read as one
    std::filesystem::path out;    // model.safetensors, metrics.json, log.jsonl, checkpoints/
    std::string device = "auto";  // choose_device
};

// Collective. Trains by the recipe, from the newest checkpoint in `out` if there is one; writes the model and
// its metrics. Returns metrics.json on rank 0, null elsewhere. Throws AgreedError: requeue after SIGUSR1 or
// SIGTERM, with everything saved; data, usage, system or refused for what every rank was told of.
nlohmann::ordered_json fit(const Recipe& recipe, const FitRequest& request, const core::Comm& comm);

// Collective. Metrics of a model file on a split of a dataset.
nlohmann::ordered_json evaluate(const Recipe& recipe, const FitRequest& request,
                                const std::filesystem::path& model, const core::Comm& comm);

// Collective. Writes the weights of the newest whole checkpoint of the run in the folder `run` as a model file,
// `request.out`, as fit would at its end; also while the run goes on, of which nothing is touched. `last`: the
// checkpoint's own weights, in place of those that train.select keeps. Returns on rank 0 {"step" after which these
// weights were, "steps" that the run has done}, null elsewhere. Throws Error(usage) if there is no checkpoint, or
// one of another recipe or dataset.
nlohmann::ordered_json export_model(const Recipe& recipe, const FitRequest& request,
                                    const std::filesystem::path& run, bool last, const core::Comm& comm);

}  // namespace trainer
