#include "trainer/engine/average.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_lerp.h>

#include <algorithm>

namespace trainer {

WeightAverage::WeightAverage(const Model& model, double decay, const Owners* owners)
    : model_(model), decay_(decay), owners_(owners) {
    const at::NoGradGuard off;
    for (std::size_t i = 0; i < model.parameters().size(); ++i) {
        const auto& [name, tensor] = model.parameters()[i];
        averages_.tensors.push_back({name, is_mine(i) ? tensor.detach().clone() : Owners::elsewhere(tensor)});
        if (owners_) averages_.owners.push_back(owners_->of(i));
    }
}

void WeightAverage::update(std::int64_t updates) {
    const at::NoGradGuard off;
    std::vector<at::Tensor> averages, parameters;
    for (std::size_t i = 0; i < averages_.tensors.size(); ++i) {
        if (!is_mine(i)) continue;
        averages.push_back(averages_.tensors[i].tensor);
        parameters.push_back(model_.parameters()[i].tensor);
    }
    if (averages.empty()) return;
    const auto n = static_cast<double>(updates);
    at::_foreach_lerp_(averages, parameters, 1 - std::min(decay_, (1 + n) / (10 + n)));
}

void WeightAverage::swap() {
    const at::NoGradGuard off;
    std::vector<Owners::Owned> all;
    for (std::size_t i = 0; i < averages_.tensors.size();
         ++i) {  // values: others refer to the model's memory
        at::Tensor parameter = model_.parameters()[i].tensor;
        if (owners_) all.push_back({parameter, owners_->of(i)});
        if (!is_mine(i)) continue;
        const at::Tensor mine = parameter.detach().clone();
        parameter.copy_(averages_.tensors[i].tensor);
        averages_.tensors[i].tensor.copy_(mine);
    }
    if (owners_) owners_->share(all);
}

}  // namespace trainer
