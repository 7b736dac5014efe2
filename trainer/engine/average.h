#pragma once
#include <cstdint>
#include <vector>

#include "trainer/model/model.h"

namespace trainer {

// The exponential moving average of a model's parameters: the weights that are measured and written in place of the
// last ones. After n updates it keeps min(decay, (1 + n) / (10 + n)) of itself, so that the first weights are soon
// forgotten (as TensorFlow's ExponentialMovingAverage).
// The same on every rank, for the parameters are.
class WeightAverage {
public:
    WeightAverage(const Model& model, double decay);  // begins as the model is

    void update(std::int64_t updates);  // after the model's parameters have moved; `updates` counts from 1

    std::vector<NamedTensor> parameters() const { return averages_; }  // by the model's names
    std::vector<NamedTensor> state() const;                            // with the model's buffers: a model

    // While it lives the model has the averages, and the average the model's parameters.
    class Swap {
    public:
        explicit Swap(WeightAverage* average);  // null: nothing happens
        Swap(const Swap&) = delete;
        Swap& operator=(const Swap&) = delete;
        ~Swap();

    private:
        WeightAverage* average_;
    };

private:
    void swap();

    const Model& model_;
    double decay_;
    std::vector<NamedTensor> averages_;
};

}  // namespace trainer
