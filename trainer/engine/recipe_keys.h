#pragma once
#include "trainer/engine/recipe.h"
#include "trainer/keys/key.h"

// The keys of a recipe that belong to no part of it that has a file of its own, in the order in which its identity
// tells them. Those of the parts stand there; recipe_rows puts all into one table.
namespace trainer {

inline constexpr Key<RecipeHead> kHeadKeys[] = {
    {"name", &RecipeHead::name, 0, 0, "", "stands in metrics.json", 1, Counts::figures},
    {"seed", &RecipeHead::seed, 0, kEndless, "", "of first weights, order of samples, dropout", 1},
};

inline constexpr Key<Recipe::Data> kFieldKey{"field", &Recipe::Data::field,           0, 0,
                                             "",      "none: the dataset's only one", 1};
inline constexpr Key<Recipe::Data> kDataKeys[] = {
    {"batch", &Recipe::Data::batch, 1, kEndless, "samples",
     "of a step, over all ranks together: the same run on 1 rank or 64", 1},
    {"threads", &Recipe::Data::threads, 0, 256, "",
     "of a rank, that read ahead and decrypt; 0: a quarter of its cores, 1 to 8", 2, Counts::nothing},
    {"missing_label", &Recipe::Data::missing_label, 0, 0, "",
     "the run does not begin where samples have no label; or goes without them", 2, Counts::weights,
     "refuse leave_out"},
};

inline constexpr Key<Recipe::Init> kNamesKey{
    "names",
    &Recipe::Init::names,
    0,
    0,
    "",
    "by whose names the file is read: that of aloft-train, or those of their ResNets and DenseNets",
    2,
    Counts::weights,
    "own torchvision monai"};

inline constexpr Key<Recipe::Train> kTrainKeys[] = {
    {"epochs", &Recipe::Train::epochs, 1, kEndless, "epochs", "of the run", 1, Counts::figures},
    {"reproducible", &Recipe::Train::reproducible, 0, 1, "",
     "the same bits on any number of ranks, without overlap of sending and computing", 1},
    {"micro_batches", &Recipe::Train::micro_batches, 0, kEndless, "",
     "of a step, over all ranks: a multiple of their number; 0: one per rank; of a reproducible run 4", 1},
    {"precision", &Recipe::Train::precision, 0, 0, "",
     "tf32: products with 10 bits of mantissa, on GPUs; bf16: in bfloat16, where the processor has it", 1,
     Counts::weights, "float32 tf32 bf16"},
    {"patience", &Recipe::Train::patience, 0, kEndless, "epochs",
     "without a better validation score before it stops; 0: never", 1, Counts::figures},
    {"select", &Recipe::Train::select, 0, 0, "",
     "score on the validation split whose best weights are kept: what the task measures; or \"last\"", 1,
     Counts::selection},
    {"ema", &Recipe::Train::ema, 0, just_below(1), "",
     "0 = none; decay of an average of the weights, which is then measured, kept and written"},
    {"divide_state", &Recipe::Train::divide_state, 0, 1, "",
     "each rank keeps its part of the optimizer's state and of the average (ZeRO-1): less memory, same bytes",
     2, Counts::nothing},
    {"log_steps", &Recipe::Train::log_steps, 1, kEndless, "steps", "between lines of log.jsonl", 2,
     Counts::nothing},
    {"hang_seconds", &Recipe::Train::hang_seconds, 1, kEndless, "seconds",
     "in which no rank goes on, then the one that did not come is named and the job ends", 2,
     Counts::nothing},
    {"skip_limit", &Recipe::Train::skip_limit, 1, kEndless, "steps",
     "in a row whose gradients are not finite, each of which is skipped, end the run", 2, Counts::nothing},
};

inline constexpr Key<Recipe::Checkpoint> kCheckpointKeys[] = {
    {"every_epochs", &Recipe::Checkpoint::every_epochs, 0, kEndless, "epochs", "between two; 0: none", 2,
     Counts::nothing},
    {"every_steps", &Recipe::Checkpoint::every_steps, 0, kEndless, "steps", "between two; 0: none", 2,
     Counts::nothing},
    {"every_seconds", &Recipe::Checkpoint::every_seconds, -kEndless, kEndless, "seconds",
     "between two; 0: none", 2, Counts::nothing},
    {"keep", &Recipe::Checkpoint::keep, 2, 0x1p31 - 1, "checkpoints", "that are kept, the newest", 2,
     Counts::nothing},
};

inline constexpr Key<Recipe::Evaluate> kEvaluateKeys[] = {
    {"split", &Recipe::Evaluate::split, 0, 0, "", "which figures are of", 1, Counts::figures},
    {"batch", &Recipe::Evaluate::batch, 1, kEndless, "samples",
     "per rank at a time; none: those of a micro-batch, at most 64; of patches: windows", 2, Counts::nothing},
};

}  // namespace trainer
