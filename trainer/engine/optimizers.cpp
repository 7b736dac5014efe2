#include "trainer/engine/optimizers.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_foreach_sign.h>
#include <ATen/ops/_foreach_sqrt.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/full.h>
#include <ATen/ops/logical_and.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "trainer/keys/parts.h"

namespace trainer {
namespace {

using Tensors = std::vector<at::Tensor>;

void adamw(const OptimizerOptions& options, ParameterGroup& group, const Tensors& gradients, double rate,
           std::int64_t step) {
    const at::Tensor number =
        at::full({}, static_cast<double>(step), group.parameters[0].options().dtype(at::kFloat));
    const Tensors numbers(group.parameters.size(), number);
    at::_fused_adamw_(group.parameters, gradients, group.state[0], group.state[1], {}, numbers, rate,
                      options.beta1, options.beta2, group.weight_decay, options.epsilon, /*amsgrad=*/false,
                      /*maximize=*/false);
}

void sgd(const OptimizerOptions& options, ParameterGroup& group, const Tensors& gradients, double rate,
         std::int64_t step) {
    // The kernel wants no buffers where there is no momentum.
    const auto momentum = options.momentum > 0 ? at::TensorList(group.state[0]) : at::TensorList();
    at::_fused_sgd_(group.parameters, gradients, momentum, group.weight_decay, options.momentum, rate,
                    /*dampening=*/0, options.nesterov, /*maximize=*/false, /*is_first_step=*/step == 1);
}

// Algorithm 2: the sign of a mix of momentum and gradient; the momentum then follows at another pace.
void lion(const OptimizerOptions& options, ParameterGroup& group, const Tensors& gradients, double rate,
          std::int64_t) {
    Tensors& momentum = group.state[0];
    Tensors moves = at::_foreach_lerp(momentum, gradients, 1 - options.beta1);
    at::_foreach_sign_(moves);
    if (group.weight_decay > 0) at::_foreach_mul_(group.parameters, 1 - rate * group.weight_decay);
    at::_foreach_add_(group.parameters, moves, -rate);
    at::_foreach_lerp_(momentum, gradients, 1 - options.beta2);
}

// Algorithm 2, with bias correction: Adam's move of each weight tensor, made as long as the tensor itself (its trust
// ratio; 1 if either has no length). Biases and norms move as in Adam, as in the authors' BERT.
void lamb(const OptimizerOptions& options, ParameterGroup& group, const Tensors& gradients, double rate,
          std::int64_t step) {
    Tensors &first = group.state[0], &second = group.state[1];
    at::_foreach_lerp_(first, gradients, 1 - options.beta1);
    at::_foreach_mul_(second, options.beta2);
    at::_foreach_addcmul_(second, gradients, gradients, 1 - options.beta2);
    const auto count = static_cast<double>(step);
    Tensors below = at::_foreach_sqrt(second);
    at::_foreach_mul_(below, 1 / std::sqrt(1 - std::pow(options.beta2, count)));
    at::_foreach_add_(below, options.epsilon);
    Tensors moves = at::_foreach_div(first, below);
    at::_foreach_mul_(moves, 1 / (1 - std::pow(options.beta1, count)));
    if (group.weight_decay > 0) at::_foreach_add_(moves, group.parameters, group.weight_decay);
    if (group.is_of_weights) {
        const at::Tensor weights = at::stack(at::_foreach_norm(group.parameters)),
                         lengths = at::stack(at::_foreach_norm(moves));
        const at::Tensor ratio =
            at::where(at::logical_and(weights > 0, lengths > 0), weights / lengths, at::ones_like(weights));
        at::_foreach_mul_(moves, ratio.unbind());
    }
    at::_foreach_add_(group.parameters, moves, -rate);
}

OptimizerOptions named(const char* name) {
    OptimizerOptions out;
    out.name = name;
    return out;
}

OptimizerOptions lion_defaults() {
    OptimizerOptions out = named("lion");
    out.rate = 1e-4;
    out.weight_decay = 0.1;
    out.beta2 = 0.99;
    return out;
}

OptimizerOptions lamb_defaults() {
    OptimizerOptions out = named("lamb");
    out.epsilon = 1e-6;
    return out;
}

using O = OptimizerOptions;
constexpr Key<O> kKeys[] = {
    {"rate", &O::rate, 0, just_below(1e3), "", "the highest", 1},
    {"weight_decay", &O::weight_decay, 0, just_below(1e3), "", "of weights, never of biases and norms", 1},
    {"beta1", &O::beta1, 0, just_below(1), "", "how much stays of the mean of the gradients", 1},
    {"beta2", &O::beta2, 0, just_below(1), "",
     "how much stays of the mean of their squares; of lion, of its momentum", 1},
    {"epsilon", &O::epsilon, 0, just_below(1), "", "added to what is divided by", 1},
    {"momentum", &O::momentum, 0, just_below(1), "", "how much stays of the last move", 1},
    {"clip", &O::clip, 0, just_below(1e9), "", "largest norm of the gradient, 0 for none", 1},
    {"nesterov", &O::nesterov, 0, 1, "", "looks ahead along the momentum"},
};

}  // namespace

const std::vector<OptimizerKind>& optimizers() {
    static const std::vector<OptimizerKind> rows{
        {"adamw",
         "Loshchilov and Hutter 2019",
         {"first", "second"},
         {"beta1", "beta2", "epsilon"},
         named("adamw"),
         adamw},
        {"sgd", "Sutskever et al. 2013", {"first"}, {"momentum", "nesterov"}, named("sgd"), sgd},
        {"lion", "Chen et al. 2023", {"first"}, {"beta1", "beta2"}, lion_defaults(), lion},
        {"lamb",
         "You et al. 2020",
         {"first", "second"},
         {"beta1", "beta2", "epsilon"},
         lamb_defaults(),
         lamb}};
    return rows;
}

const OptimizerKind& optimizer_kind(std::string_view name) {
    for (const OptimizerKind& each : optimizers())
        if (each.name == name) return each;
    throw core::Error(core::Fault::bug, "there is no such optimizer");
}

std::span<const Key<OptimizerOptions>> optimizer_keys() {
    return kKeys;
}

std::vector<KeyRow> optimizer_rows() {
    std::vector<KeyRow> out;
    for (const OptimizerKind& kind : optimizers()) {
        const std::vector<std::string> of{std::string(kind.name)};
        KeyRow name = row("optimizer.name", {}, kind.name, "", kind.source, 1);
        name.by = "optimizer.name";
        name.of = of;
        out.push_back(name);
        add_rows(out, "optimizer", kind.defaults, kKeys, "optimizer.name", of,
                 [&](std::string_view key) { return knows(kind, key); });
    }
    out.push_back(row(
        "optimizer.layers.part", {}, nullptr, "",
        "of the model, with a rate of its own: names of parameters, or what stands before a dot in them"));
    out.push_back(row("optimizer.layers.rate", {Allowed::Type::number, 0, 1000}, nullptr, "times",
                      "the optimizer's; 0: it stays as it is"));
    for (auto each = out.end() - 2; each != out.end(); ++each) each->is_needed = each->is_list = true;
    return out;
}

bool knows(const OptimizerKind& kind, std::string_view key) {
    return key == "rate" || key == "weight_decay" || key == "clip" ||
           std::find(kind.keys.begin(), kind.keys.end(), key) != kind.keys.end();
}

}  // namespace trainer
