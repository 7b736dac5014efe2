#pragma once
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/mpi/comm.h"
#include "trainer/engine/pass.h"
#include "trainer/engine/recipe.h"
#include "trainer/loader/dataset.h"
#include "trainer/task/task.h"

namespace c10d {
class ProcessGroup;
}

namespace trainer {

// SHA-256, in hex, of what a run must keep to be resumed: Recipe::identity, and the dataset.
std::string run_identity(const Recipe& recipe, const Model& model, const Dataset& dataset);

// What stands around samples that are smaller than a patch, where the recipe does not say: 0 where the field's values are
// whole numbers from 0 on. Throws Error(usage) where they are signed, or real: 0 is water in Hounsfield units.
void settle_padding(Recipe& recipe, const Dataset& dataset);

// Collective. Rank 0's tensors to every rank.
void broadcast_tensors(c10d::ProcessGroup& group, const std::vector<NamedTensor>& tensors);

// Collective, before the first step. Throws AgreedError (usage) if what [evaluate] asks for cannot be had of this dataset.
void check_evaluation(const Recipe& recipe, const Task& task, const Dataset& dataset, const core::Comm& comm);

// Collective. Writes model.safetensors, report.html, then metrics.json with the model's figures on the recipe's evaluation
// split (on the validation split where that one is the test split, and empty). `began_from`: the model's entry (lineage.h), "" of none. Returns metrics.json on rank 0, null elsewhere; nothing if
// `go_on` ended it before the figures were there.
std::optional<nlohmann::ordered_json> write_results(const Recipe& recipe, const Task& task, Model& model,
                                                    const Dataset& dataset, const std::filesystem::path& out,
                                                    const nlohmann::ordered_json& training,
                                                    const std::string& began_from, const core::Comm& comm,
                                                    const GoOn& go_on);

}  // namespace trainer
