#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "trainer/augment/options.h"
#include "trainer/engine/hold_out.h"
#include "trainer/engine/mixup.h"
#include "trainer/engine/optimizer.h"
#include "trainer/engine/patch.h"
#include "trainer/engine/schedule.h"
#include "trainer/engine/step.h"
#include "trainer/engine/study.h"
#include "trainer/eval/options.h"
#include "trainer/keys/rows.h"
#include "trainer/loader/balance_options.h"
#include "trainer/task/task.h"

namespace trainer {

// The key `precision` of a table; float32 if it is not there. Throws Error(usage) for another word.
Precision precision_of(const core::Config& table);
Precision precision_named(std::string_view word);  // throws Error(bug) for another one

struct RecipeHead {
    std::string name;
    std::uint64_t seed = 1;
};

// What a run does, from a recipe's TOML (configs/recipes has commented examples). Nothing of where it runs:
// the same recipe gives the same model on a laptop and on a cluster.
struct Recipe : RecipeHead {
    struct Data {
        std::vector<std::string> datasets;  // "digits@1"; none: those of the flags
        std::string field;                  // "" if the dataset has only one
        std::int64_t batch = 64;            // samples per step, over all ranks
        std::int64_t threads = 0;  // that read ahead and decrypt, per rank; 0: reader_threads_for its cores
        std::string missing_label = "refuse";  // samples without one: none may be there, or they are left out
        bool leaves_out_unlabelled() const { return missing_label == "leave_out"; }
    } data;

    struct Init {
        std::filesystem::path file;  // weights to begin with; empty: drawn by the seed
        std::string names = "own";   // by whose names: take_weights
        std::string sha256;          // of the file, as it was when the recipe was read
    } init;

    TaskOptions task;        // the columns of the targets too
    PatchOptions patch;      // of masks
    BalanceOptions balance;  // of the training split, in training only
    core::Config model;      // read by make_model
    OptimizerOptions optimizer;
    Schedule schedule;
    std::vector<AugmentOptions> augment;  // of samples of the training split, in training only
    MixupOptions mixup;                   // of them, behind that

    struct Train {
        std::int64_t epochs = 10;
        bool reproducible = false;       // the same bits on any number of ranks
        std::int64_t micro_batches = 0;  // over all ranks; 0: one per rank, or 4 if reproducible
        std::string precision = "float32";
        double ema = 0;             // decay of the average of weights that is kept (WeightAverage); 0: none
        bool divide_state = false;  // Owners
        std::int64_t patience = 0;  // stop after so many epochs without a better validation score; 0: never
        std::string select;         // the score whose best weights are kept, one of the task's; or last
        std::int64_t log_steps = 10;
        double hang_seconds = 600;     // when no rank goes on for so long, the one that did not come is named
        std::int64_t skip_limit = 10;  // steps in a row with gradients that are not finite end the run
    } train;

    struct Checkpoint {
        std::int64_t every_epochs = 1, every_steps = 0, keep = 3;
        double every_seconds = 600;
    } checkpoint;

    struct Evaluate {
        std::string split = "test";
        // Per rank; changes speed and memory only. Default: a micro-batch, as far as the recipe says, at
        // most 64. Of patches: windows of a sample.
        std::int64_t batch = 64;
        EvaluateOptions options;
    } evaluate;
    // How many whole samples a rank reads at a time where each is looked at once.
    std::int64_t whole_samples() const noexcept { return patch.is_on() ? 1 : evaluate.batch; }

    HoldOut hold_out;    // other splits than the dataset's
    StudyOptions study;  // of no meaning for a single run

    // `settings` as core::Config::load takes them. Throws Error(usage), also for a key that is in no row.
    static Recipe load(const std::filesystem::path& path, const std::vector<std::string>& settings);
    // Refuses keys that nobody asked for: those of another task, model or optimizer. After make_model, which asks for
    // those in [model].
    void finish() const;

    // Everything that the result depends on; `model_toml` is what Model::toml says. Equal texts, equal
    // results.
    std::string canonical(const std::string& model_toml) const;
    // The part of it that the order of samples and the weights of a step depend on: what must be the same
    // for a run to be resumed. How long to train, which weights to keep and what to evaluate may change.
    std::string identity(const std::string& model_toml) const;

    // How many micro-batches each of `ranks` ranks has. Throws Error(usage) if batch, micro_batches and ranks
    // do not divide evenly, and says which numbers would, or if micro-batches are no pairs for mixup.
    std::int64_t micro_batches_per_rank(int ranks) const;

private:
    explicit Recipe(core::Config file);
    nlohmann::ordered_json told(const std::string& model_toml, Counts least) const;
    core::Config file_;
};

// The table of all keys, in the order in which the example has them. Parsing, the identity, `aloft-train recipe
// --explain` and configs/recipes/every-key.toml are made of it.
const std::vector<KeyRow>& recipe_rows();
// Throws Error(usage) for a key of `file` that is in no row, with the nearest that is. Reads nothing but their names.
void check_known(const core::Config& file);

}  // namespace trainer
