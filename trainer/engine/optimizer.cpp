#include "trainer/engine/optimizer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

#include "core/base/error.h"
#include "trainer/engine/optimizers.h"

namespace trainer {

OptimizerOptions OptimizerOptions::from(const core::Config& options) {
    const OptimizerKind& kind = chosen(options, optimizers(), "adamw");
    OptimizerOptions out = kind.defaults;
    for (const auto& key : optimizer_keys())
        if (knows(kind, key.name)) read(options, out, key);
    if (out.nesterov && out.momentum == 0) options.refuse("nesterov", "there is no momentum to look along");
    return out;
}

nlohmann::ordered_json OptimizerOptions::told() const {
    return told_of(*this, optimizer_kind(name).defaults, optimizer_keys());
}

Optimizer::Optimizer(const std::vector<NamedTensor>& parameters, const OptimizerOptions& options)
    : options_(options),
      kind_(optimizer_kind(options.name)),
      groups_{{options.weight_decay, true, {}, {}}, {0, false, {}, {}}} {
    const at::NoGradGuard off;
    for (ParameterGroup& group : groups_) group.state.resize(kind_.state.size());
    for (const NamedTensor& each : parameters) {
        ParameterGroup& group = groups_[each.tensor.dim() > 1 ? 0 : 1];
        group.parameters.push_back(each.tensor);
        for (std::size_t i = 0; i < kind_.state.size(); ++i) {
            group.state[i].push_back(at::zeros_like(each.tensor));
            state_.push_back({each.name + "." + std::string(kind_.state[i]), group.state[i].back()});
        }
    }
}

std::vector<NamedTensor> Optimizer::state() const {
    return state_;
}

double Optimizer::step(double rate, const std::function<bool(double norm)>& may) {
    const at::NoGradGuard off;
    std::vector<at::Tensor> all;
    std::vector<std::vector<at::Tensor>> gradients;
    for (const ParameterGroup& group : groups_) {
        auto& mine = gradients.emplace_back();
        for (const at::Tensor& parameter : group.parameters) {
            at::Tensor gradient = parameter.grad();
            if (!gradient.defined()) throw core::Error(core::Fault::bug, "a parameter has no gradient");
            // The fused kernels walk memory: gradient and parameter must be laid out alike.
            if (gradient.strides() != parameter.strides())
                gradient = at::empty_like(parameter).copy_(gradient);
            all.push_back(gradient);
            mine.push_back(std::move(gradient));
        }
    }
    const double norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(all))).item<double>();
    if ((may && !may(norm)) || !std::isfinite(norm)) return norm;
    if (options_.clip > 0 && norm > options_.clip) at::_foreach_mul_(all, options_.clip / norm);
    ++steps_;
    for (std::size_t i = 0; i < groups_.size(); ++i)
        if (!groups_[i].parameters.empty()) kind_.move(options_, groups_[i], gradients[i], rate, steps_);
    return norm;
}

}  // namespace trainer
