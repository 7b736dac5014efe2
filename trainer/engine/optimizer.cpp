#include "trainer/engine/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "core/base/error.h"

namespace trainer {

OptimizerOptions OptimizerOptions::from(const core::Config& options) {
    OptimizerOptions out;
    const std::string name = options.text_or("name", "adamw");
    if (name != "adamw" && name != "sgd") options.refuse("name", "expected \"adamw\" or \"sgd\"");
    out.kind = name == "sgd" ? Kind::sgd : Kind::adamw;
    const auto read = [&](const char* key, double& value, double below) {
        value = options.number_or(key, value);
        if (!(value >= 0) || value >= below) options.refuse(key, "out of range");
    };
    read("rate", out.rate, 1e3);
    read("weight_decay", out.weight_decay, 1e3);
    read("clip", out.clip, 1e9);
    if (out.kind == Kind::adamw) {
        read("beta1", out.beta1, 1);
        read("beta2", out.beta2, 1);
        read("epsilon", out.epsilon, 1);
    } else {
        read("momentum", out.momentum, 1);
    }
    return out;
}

Optimizer::Optimizer(const std::vector<NamedTensor>& parameters, const OptimizerOptions& options)
    : options_(options), groups_{{options.weight_decay, {}, {}, {}}, {0, {}, {}, {}}} {
    const at::NoGradGuard off;
    for (const NamedTensor& each : parameters) {
        Group& group = groups_[each.tensor.dim() > 1 ? 0 : 1];
        group.parameters.push_back(each.tensor);
        group.first.push_back(at::zeros_like(each.tensor));  // laid out as the parameter
        state_.push_back({each.name + ".first", group.first.back()});
        if (options_.kind == OptimizerOptions::Kind::sgd) continue;
        group.second.push_back(at::zeros_like(each.tensor));
        state_.push_back({each.name + ".second", group.second.back()});
    }
}

std::vector<NamedTensor> Optimizer::state() const {
    return state_;
}

double Optimizer::step(double rate, const std::function<bool(double norm)>& may) {
    const at::NoGradGuard off;
    std::vector<at::Tensor> all;
    std::vector<std::vector<at::Tensor>> gradients;
    for (const Group& group : groups_) {
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
    // By lists: a few launches on a GPU in place of one for each parameter.
    const double norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(all))).item<double>();
    if ((may && !may(norm)) || !std::isfinite(norm)) return norm;
    if (options_.clip > 0 && norm > options_.clip) at::_foreach_mul_(all, options_.clip / norm);
    ++steps_;
    for (std::size_t i = 0; i < groups_.size(); ++i)
        if (!groups_[i].parameters.empty()) move(groups_[i], gradients[i], rate);
    return norm;
}

void Optimizer::move(Group& group, const std::vector<at::Tensor>& gradients, double rate) {
    if (options_.kind == OptimizerOptions::Kind::sgd) {
        // The kernel wants no buffers where there is no momentum.
        const auto momentum = options_.momentum > 0 ? at::TensorList(group.first) : at::TensorList();
        at::_fused_sgd_(group.parameters, gradients, momentum, group.weight_decay, options_.momentum, rate,
                        /*dampening=*/0, /*nesterov=*/false, /*maximize=*/false,
                        /*is_first_step=*/steps_ == 1);
        return;
    }
    const at::Tensor step =
        at::full({}, static_cast<double>(steps_), group.parameters[0].options().dtype(at::kFloat));
    const std::vector<at::Tensor> steps(group.parameters.size(), step);
    at::_fused_adamw_(group.parameters, gradients, group.first, group.second, {}, steps, rate, options_.beta1,
                      options_.beta2, group.weight_decay, options_.epsilon, /*amsgrad=*/false,
                      /*maximize=*/false);
}

}  // namespace trainer
