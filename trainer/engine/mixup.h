#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

#include "core/base/config.h"
#include "trainer/task/task.h"

namespace trainer {

// [mixup] of a recipe (Zhang et al. 2018, arXiv 1710.09412): classes or labels are learned from mixtures of two samples.
struct MixupOptions {
    double alpha = 0;

    bool is_on() const noexcept { return alpha > 0; }
    // Throws Error(usage), also where the task's loss knows no mixtures of targets.
    static MixupOptions from(const core::Config& table, const TaskOptions& task);
    nlohmann::ordered_json told() const;  // for the identity of a run
};

// What a sample keeps of itself, of Beta(alpha, alpha), alpha >= 0.001: a function of (seed, epoch, sample).
double mixup_share(double alpha, std::uint64_t seed, std::int64_t epoch, std::int64_t sample);

// Makes each row a mixture of itself and its partner, the other one of its pair: rows 0 and 1, 2 and 3, ... In the order of
// an epoch, which is shuffled, these pairs are the same for any number of ranks and micro-batches whose rows are even in
// number. `inputs` [n, shape of a sample] becomes float32; its missing values (NaN, infinite) count as `mean` (Model's
// input.mean). `targets` [n, ...] becomes what Task::mixed says. `samples`: the n numbers in the dataset.
void mix(const MixupOptions& options, std::uint64_t seed, const Task& task,
         std::span<const std::int64_t> samples, std::int64_t epoch, const at::Tensor& mean,
         at::Tensor& inputs, at::Tensor& targets);

}  // namespace trainer
