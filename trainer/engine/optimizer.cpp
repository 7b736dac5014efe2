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
    for (const core::Config& table : options.tables("layers")) {
        Layer layer{table.text("part"), table.number("rate")};
        if (!(layer.rate >= 0 && layer.rate <= 1000)) table.refuse("rate", "expected 0 to 1000");
        for (const Layer& other : out.layers)
            if (other.part == layer.part) table.refuse("part", "stands there twice");
        out.layers.push_back(std::move(layer));
    }
    if (out.nesterov && out.momentum == 0) options.refuse("nesterov", "there is no momentum to look along");
    return out;
}

nlohmann::ordered_json OptimizerOptions::told() const {
    nlohmann::ordered_json out = {{"name", name}};
    for (const auto& key : optimizer_keys()) tell(out, *this, optimizer_kind(name).defaults, key);
    for (const Layer& each : layers) out["layers"].push_back({{"part", each.part}, {"rate", each.rate}});
    return out;
}

namespace {

// Of each parameter the multiple of the rate.
std::vector<double> rates_of(const std::vector<NamedTensor>& parameters, const OptimizerOptions& options) {
    std::vector<double> out(parameters.size(), 1);
    std::vector<std::size_t> length(parameters.size(), 0);  // of the part that it is from
    bool is_any = options.layers.empty();
    for (const auto& layer : options.layers) {
        bool is_there = false;
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            const std::string& name = parameters[i].name;
            if (name != layer.part && !name.starts_with(layer.part + ".")) continue;
            is_there = true;
            if (layer.part.size() <= length[i]) continue;
            length[i] = layer.part.size();
            out[i] = layer.rate;
        }
        if (!is_there)
            throw core::Error(core::Fault::usage,
                              "optimizer.layers: a part is none of the model's: expected the name of a "
                              "parameter, or what stands before a dot in it, such as \"" +
                                  parameters.front().name.substr(0, parameters.front().name.find('.')) +
                                  "\"");
    }
    for (const double rate : out) is_any = is_any || rate > 0;
    if (!is_any) throw core::Error(core::Fault::usage, "optimizer.layers: nothing is left to train");
    return out;
}

}  // namespace

std::vector<std::int64_t> remembered_bytes(const std::vector<NamedTensor>& parameters,
                                           const OptimizerOptions& options) {
    const std::vector<double> rates = rates_of(parameters, options);
    const std::size_t times = optimizer_kind(options.name).state.size();
    std::vector<std::int64_t> out;
    for (std::size_t p = 0; p < parameters.size(); ++p)
        out.push_back(rates[p] == 0 ? 0 : static_cast<std::int64_t>(parameters[p].tensor.nbytes() * times));
    return out;
}

Optimizer::Optimizer(const std::vector<NamedTensor>& parameters, const OptimizerOptions& options,
                     const Owners* owners)
    : options_(options),
      kind_(optimizer_kind(options.name)),
      owners_(owners),
      groups_{{options.weight_decay, 1, true, {}, {}}, {0, 1, false, {}, {}}} {
    const at::NoGradGuard off;
    const std::vector<double> rates = rates_of(parameters, options);
    const auto group_for = [&](double rate, bool is_of_weights) {
        for (std::size_t g = 0; g < groups_.size(); ++g)
            if (groups_[g].rate == rate && groups_[g].is_of_weights == is_of_weights) return g;
        groups_.push_back({is_of_weights ? options.weight_decay : 0, rate, is_of_weights, {}, {}});
        return groups_.size() - 1;
    };
    for (std::size_t p = 0; p < parameters.size(); ++p) {
        const NamedTensor& each = parameters[p];
        if (rates[p] == 0) {
            each.tensor.set_requires_grad(false);
            continue;
        }
        const std::size_t g = group_for(rates[p], each.tensor.dim() > 1);
        ParameterGroup& group = groups_[g];
        const bool is_mine = !owners_ || owners_->is_mine(p);
        moved_.resize(groups_.size());
        moved_[g].push_back({each.tensor, owners_ ? owners_->of(p) : 0});
        group.state.resize(kind_.state.size());
        if (is_mine) group.parameters.push_back(each.tensor);
        for (std::size_t i = 0; i < kind_.state.size(); ++i) {
            const at::Tensor state = is_mine ? at::zeros_like(each.tensor) : Owners::elsewhere(each.tensor);
            if (is_mine) group.state[i].push_back(state);
            state_.tensors.push_back({each.name + "." + std::string(kind_.state[i]), state});
            if (owners_) state_.owners.push_back(owners_->of(p));
        }
    }
}

double Optimizer::step(double rate, const std::function<bool(double norm)>& may) {
    const at::NoGradGuard off;
    std::vector<at::Tensor> all, mine;
    std::vector<std::vector<at::Tensor>> gradients;  // of each group, this rank's
    for (const auto& moved : moved_) {
        auto& of_group = gradients.emplace_back();
        for (const auto& [parameter, owner] : moved) {
            at::Tensor gradient = parameter.grad();
            if (!gradient.defined()) throw core::Error(core::Fault::bug, "a parameter has no gradient");
            // The fused kernels walk memory: gradient and parameter must be laid out alike.
            if (gradient.strides() != parameter.strides())
                gradient = at::empty_like(parameter).copy_(gradient);
            all.push_back(gradient);
            if (owners_ && owner != owners_->rank()) continue;
            mine.push_back(gradient);
            of_group.push_back(std::move(gradient));
        }
    }
    const double norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(all))).item<double>();
    if ((may && !may(norm)) || !std::isfinite(norm)) return norm;
    if (options_.clip > 0 && norm > options_.clip && !mine.empty())
        at::_foreach_mul_(mine, options_.clip / norm);
    ++steps_;
    for (std::size_t i = 0; i < moved_.size(); ++i)
        if (!groups_[i].parameters.empty())
            kind_.move(options_, groups_[i], gradients[i], rate * groups_[i].rate, steps_);
    if (owners_) {
        std::vector<Owners::Owned> all_moved;
        for (const auto& moved : moved_) all_moved.insert(all_moved.end(), moved.begin(), moved.end());
        owners_->share(all_moved);
    }
    return norm;
}

}  // namespace trainer
