#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "trainer/engine/optimizer.h"
#include "trainer/keys/key.h"

namespace trainer {

// One optimizer.
struct OptimizerKind {
    std::string_view name, source;
    std::vector<std::string_view> state;  // what it remembers of each parameter, by the names in a checkpoint
    std::vector<std::string_view> keys;   // those of OptimizerOptions that not all know
    OptimizerOptions defaults;
    // Moves the parameters of a group that is not empty; `step` counts from 1. Gradients are laid out as the parameters
    // and may be written to.
    void (*move)(const OptimizerOptions& options, ParameterGroup& group,
                 const std::vector<at::Tensor>& gradients, double rate, std::int64_t step);
};

// One row an optimizer.
const std::vector<OptimizerKind>& optimizers();
const OptimizerKind& optimizer_kind(std::string_view name);  // throws Error(bug) if there is none

// In the order in which the identity of a run tells them.
std::span<const Key<OptimizerOptions>> optimizer_keys();
bool knows(const OptimizerKind& kind, std::string_view key);

}  // namespace trainer
