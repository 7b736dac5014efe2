#pragma once
#include <set>
#include <string>

#include "core/mpi/comm.h"
#include "trainer/engine/recipe.h"
#include "trainer/loader/dataset.h"

namespace trainer {

// Collective; before a loader is made. Looks for samples of these splits whose label is missing, and does with them as
// the recipe's data.missing_label says. Throws AgreedError: data where it says to refuse them, with how many they are
// (of each hospital as the manifest publishes counts); usage if the label is no category or a split does not exist.
void settle_labels(Dataset& dataset, const Recipe& recipe, const std::set<std::string>& splits,
                   const core::Comm& comm);

}  // namespace trainer
