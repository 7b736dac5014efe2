#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/base/config.h"
#include "core/mpi/comm.h"
#include "trainer/eval/metrics.h"
#include "trainer/loader/dataset.h"

namespace trainer {

struct Recipe;

// [hold_out] of a recipe: other splits than the dataset's own. Samples that are `hidden` stay so. Samples
// without a patient, or without a value of the column, are in no split; about how many is told.
// - A value of a column: all its samples are judged, beside the test samples of the others, and none is trained on, nor
//   any sample of a patient who has some there. Validation is by the others.
// - A fold: patients that are for training or validation are dealt into `folds`, those of each site evenly, by the
//   seed; `fold` is judged, the next one is for validation, the rest is trained on. Test samples are in no split.
struct HoldOut {
    std::string column, value;
    std::int64_t folds = 0, fold = 0;
    std::uint64_t seed = 1;

    static HoldOut from(const core::Config& table);  // throws Error(usage)
    bool is_any() const noexcept { return folds > 0 || !column.empty(); }
    nlohmann::ordered_json told() const;  // for the identity, metrics.json and people
};

// The stratum of a held out value: it, and all others.
inline constexpr const char* kHeldOut = "held_out";

// Collective; on the dataset as it was opened. Splits it as the recipe's [hold_out] says; without one does nothing. Each
// rank opens its share of the shards; all hold a map of patients (some 100 bytes each). Throws AgreedError: usage if there is no such column
// or value.
void hold_out(Dataset& dataset, const Recipe& recipe, const core::Comm& comm);

// Collective; after settle_labels, so that only samples count of which something can be said. Throws AgreedError: usage
// if those who are judged, those to compare with, those to train on or, where the dataset has that split, those for
// validation are fewer than evaluate.min_stratum patients. Without [hold_out] does nothing.
void check_held_out(const Dataset& dataset, const Recipe& recipe, const core::Comm& comm);

// Of a held out value the stratum kHeldOut of predictions of the split "test", in stored order.
Predictions::Stratum held_out_stratum(const Dataset& dataset, const HoldOut& options);

}  // namespace trainer
