#pragma once
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/base/config.h"

namespace trainer {

// [balance] of a recipe, `balance` of a loader: which samples of the training split come more often than others. What
// it means says Draws.
struct BalanceOptions {
    std::vector<std::string> columns;  // of categories: each crossing that has samples comes equally often
    // Or, by column and category, how often a sample comes in an epoch, on average; of several columns the product.
    // What is not named has 1, 0 leaves out.
    std::map<std::string, std::map<std::string, double>> weights;
    std::int64_t most_repeats = 10;  // of a sample: as a multiple of how often it comes without balance

    bool is_any() const noexcept { return !columns.empty() || !weights.empty(); }
    // Of a table that is there. Throws Error(usage).
    static BalanceOptions from(const core::Config& table);
    nlohmann::ordered_json told() const;  // for the identity of a run
};

}  // namespace trainer
