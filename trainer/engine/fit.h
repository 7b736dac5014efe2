#pragma once
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/mpi/comm.h"
#include "trainer/engine/permission.h"
#include "trainer/engine/recipe.h"

namespace trainer {

struct FitRequest {
    Access access;
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

}  // namespace trainer
