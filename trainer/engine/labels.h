#pragma once
#include <memory>
#include <set>
#include <string>

#include "core/mpi/comm.h"
#include "trainer/engine/pass.h"
#include "trainer/engine/recipe.h"
#include "trainer/loader/dataset.h"

namespace trainer {

// The recipe's task on the dataset. Throws Error(usage) as make_task; if of several datasets one has other classes.
std::unique_ptr<Task> task_of(const Recipe& recipe, const Dataset& dataset);

// As counts of a dataset are published: "20", "<10".
std::string shown_count(std::int64_t count);

// Collective; before a loader is made. Looks for samples of these splits whose label is missing, and does with them as
// the recipe's data.missing_label says. Throws AgreedError: data where it says to refuse them, with how many they are
// (of each hospital as the manifest publishes counts); usage if a split does not exist. Of a
// task that needs no column looks for none.
void settle_labels(Dataset& dataset, const Task& task, const Recipe& recipe,
                   const std::set<std::string>& splits, const core::Comm& comm);

// Collective. Reads every mask of these splits once, of a task that has masks, and notes where the classes of the training
// split lie, of a recipe that asks for patches around them. Throws AgreedError: data that names a sample whose mask has a
// value of no class. False if `go_on` ended it.
bool check_masks(const Dataset& dataset, const Task& task, const Recipe& recipe,
                 const std::set<std::string>& splits, Foreground& foreground, const core::Comm& comm,
                 const GoOn& go_on);

}  // namespace trainer
