#pragma once
#include <cstdint>
#include <vector>

#include "trainer/engine/owners.h"
#include "trainer/model/model.h"

namespace trainer {

// The exponential moving average of a model's parameters: the weights that are measured and written in place of the
// last ones. After n updates it keeps min(decay, (1 + n) / (10 + n)) of itself, so that the first weights are soon
// forgotten (as TensorFlow's ExponentialMovingAverage).
// The same on every rank, for the parameters are; with owners each rank holds what is its own.
class WeightAverage {
public:
    WeightAverage(const Model& model, double decay,
                  const Owners* owners = nullptr);  // begins as the model is

    void update(std::int64_t updates);  // after the model's parameters have moved; `updates` counts from 1

    // By the model's names. What is another rank's is Owners::elsewhere.
    const std::vector<NamedTensor>& parameters() const noexcept { return averages_.tensors; }
    const Spread& spread() const noexcept { return averages_; }

    // Collective. The model has the averages from now on, on every rank, and the average the model's parameters; once
    // more, and all is as before.
    void swap();

private:
    bool is_mine(std::size_t i) const { return !owners_ || owners_->is_mine(i); }

    const Model& model_;
    double decay_;
    const Owners* owners_;
    Spread averages_;
};

}  // namespace trainer
