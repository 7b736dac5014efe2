#pragma once
#include "core/mpi/comm.h"
#include "trainer/engine/pass.h"
#include "trainer/engine/recipe.h"
#include "trainer/loader/dataset.h"
#include "trainer/model/model.h"

namespace trainer {

// Collective. Sets the model's standardisation to mean and 1 / standard deviation of the training split, per
// channel or feature: the same bits on any number of ranks. Values that are missing (NaN) do not count,
// constant features are left as they are. Of a field with one channel the manifest knows both, and no sample is
// read. Where it does not (several channels or features; a version of format 1) a pass over the data finds them, and an
// event (standardise_by_pass) says so: of a split of more than twice `largest`, the first `largest` samples as
// stored (staging stores them shuffled) are looked at. False if `go_on` ended it: nothing is set then.
bool standardise(Model& model, const Dataset& dataset, const Recipe& recipe, const core::Comm& comm,
                 const GoOn& go_on, std::int64_t largest = 65536);

}  // namespace trainer
