#include "trainer/engine/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "core/base/error.h"
#include "trainer/model/safetensors.h"

using namespace trainer;

namespace {

std::vector<NamedTensor> two_parameters() {
    at::manual_seed(4);
    auto kernel = at::empty({2, 3, 3, 3}, at::TensorOptions(), at::MemoryFormat::ChannelsLast);
    kernel.copy_(at::randn({2, 3, 3, 3}));
    return {{"kernel", kernel.requires_grad_()}, {"bias", at::randn({2}).requires_grad_()}};
}

void set_gradients(std::vector<NamedTensor>& parameters, int step) {
    at::manual_seed(static_cast<std::uint64_t>(step));
    for (auto& each : parameters)
        each.tensor.mutable_grad() = at::randn(each.tensor.sizes());  // not channels last
}

}  // namespace

TEST_CASE("AdamW equals its paper, and does not decay biases") {
    OptimizerOptions options;
    options.weight_decay = 0.1;
    options.clip = 0;
    auto parameters = two_parameters();
    Optimizer optimizer(parameters, options);
    std::vector<at::Tensor> expected, m, v;
    for (const auto& each : parameters) {
        expected.push_back(each.tensor.detach().to(at::kDouble));
        m.push_back(at::zeros_like(expected.back()));
        v.push_back(at::zeros_like(expected.back()));
    }
    for (int step = 1; step <= 5; ++step) {
        set_gradients(parameters, step);
        const double rate = 0.01 * step;
        for (std::size_t i = 0; i < 2; ++i) {
            const auto g = parameters[i].tensor.grad().to(at::kDouble);
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.999 * v[i] + 0.001 * g * g;
            const auto mh = m[i] / (1 - std::pow(0.9, step)), vh = v[i] / (1 - std::pow(0.999, step));
            if (i == 0) expected[i] = expected[i] * (1 - rate * options.weight_decay);
            expected[i] = expected[i] - rate * mh / (vh.sqrt() + 1e-8);
        }
        optimizer.step(rate);
    }
    for (std::size_t i = 0; i < 2; ++i)
        CHECK(at::allclose(parameters[i].tensor.detach().to(at::kDouble), expected[i], 1e-5, 1e-6));
}

TEST_CASE("SGD with momentum equals its definition") {
    OptimizerOptions options;
    options.kind = OptimizerOptions::Kind::sgd;
    options.weight_decay = 0;
    options.clip = 0;
    auto parameters = two_parameters();
    Optimizer optimizer(parameters, options);
    auto expected = parameters[0].tensor.detach().to(at::kDouble);
    auto momentum = at::zeros_like(expected);
    for (int step = 1; step <= 3; ++step) {
        set_gradients(parameters, step);
        momentum = 0.9 * momentum + parameters[0].tensor.grad();
        expected = expected - 0.1 * momentum;
        optimizer.step(0.1);
    }
    CHECK(at::allclose(parameters[0].tensor.detach().to(at::kDouble), expected, 1e-5, 1e-6));
}

TEST_CASE("gradients are clipped by their common norm, and those that are not finite change nothing") {
    OptimizerOptions options;
    options.kind = OptimizerOptions::Kind::sgd;
    options.weight_decay = 0;
    options.momentum = 0;
    options.clip = 1;
    auto parameters = two_parameters();
    Optimizer optimizer(parameters, options);
    const auto kernel = parameters[0].tensor.detach().clone(), bias = parameters[1].tensor.detach().clone();
    set_gradients(parameters, 1);
    const double norm = optimizer.step(1);
    CHECK(norm > 1);
    const double moved = (parameters[0].tensor.detach() - kernel).square().sum().item<double>() +
                         (parameters[1].tensor.detach() - bias).square().sum().item<double>();
    CHECK(std::sqrt(moved) == Approx(1).epsilon(1e-5));

    const auto before = parameters[1].tensor.detach().clone();
    set_gradients(parameters, 2);
    parameters[0].tensor.mutable_grad()[0][0][0][0] = std::nan("");
    CHECK(std::isnan(optimizer.step(1)));
    CHECK(at::equal(parameters[1].tensor.detach(), before));
    CHECK(optimizer.steps() == 1);

    set_gradients(parameters, 3);  // what another rank has seen, this one does not move by
    CHECK(std::isfinite(optimizer.step(1, [](double) { return false; })));
    CHECK(at::equal(parameters[1].tensor.detach(), before));
    CHECK(optimizer.steps() == 1);
}

TEST_CASE("an optimizer with restored state goes on bit by bit") {
    OptimizerOptions options;
    options.kind = GENERATE(OptimizerOptions::Kind::adamw, OptimizerOptions::Kind::sgd);
    auto one = two_parameters(), two = two_parameters();
    Optimizer whole(one, options), first(two, options);
    for (int step = 1; step <= 3; ++step) {
        set_gradients(one, step);
        whole.step(0.01);
        set_gradients(two, step);
        first.step(0.01);
    }
    auto three = two_parameters();
    Optimizer second(three, options);
    copy_tensors({two, {}}, "", three);
    copy_tensors({first.state(), {}}, "", second.state());
    second.set_steps(3);
    for (int step = 4; step <= 6; ++step) {
        set_gradients(one, step);
        whole.step(0.01);
        set_gradients(three, step);
        second.step(0.01);
    }
    for (std::size_t i = 0; i < 2; ++i) CHECK(at::equal(one[i].tensor, three[i].tensor));
}
