#include "trainer/engine/average.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_lerp.h>

#include <algorithm>

namespace trainer {

WeightAverage::WeightAverage(const Model& model, double decay) : model_(model), decay_(decay) {
    const at::NoGradGuard off;
    for (const NamedTensor& each : model.parameters())
        averages_.push_back({each.name, each.tensor.detach().clone()});
}

void WeightAverage::update(std::int64_t updates) {
    const at::NoGradGuard off;
    std::vector<at::Tensor> averages, parameters;
    for (const NamedTensor& each : averages_) averages.push_back(each.tensor);
    for (const NamedTensor& each : model_.parameters()) parameters.push_back(each.tensor);
    const auto n = static_cast<double>(updates);
    at::_foreach_lerp_(averages, parameters, 1 - std::min(decay_, (1 + n) / (10 + n)));
}

std::vector<NamedTensor> WeightAverage::state() const {
    std::vector<NamedTensor> all = averages_;
    all.insert(all.end(), model_.buffers().begin(), model_.buffers().end());
    return all;
}

void WeightAverage::swap() {
    const at::NoGradGuard off;
    for (std::size_t i = 0; i < averages_.size(); ++i) {  // values: others refer to the model's memory
        at::Tensor parameter = model_.parameters()[i].tensor;
        const at::Tensor mine = parameter.detach().clone();
        parameter.copy_(averages_[i].tensor);
        averages_[i].tensor.copy_(mine);
    }
}

WeightAverage::Swap::Swap(WeightAverage* average) : average_(average) {
    if (average_) average_->swap();
}

WeightAverage::Swap::~Swap() {
    if (average_) average_->swap();
}

}  // namespace trainer
