#include "trainer/engine/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

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
        each.tensor.mutable_grad() =
            at::randn(each.tensor.sizes()).to(each.tensor.scalar_type());  // not channels last
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
    options.name = "sgd";
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
    options.name = "sgd";
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
    options = OptimizerOptions::from(core::Config::parse(
        GENERATE("", "name = 'sgd'", "name = 'sgd'\nnesterov = true", "name = 'lion'", "name = 'lamb'"),
        "f"));
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

namespace {

// One tensor, moved by an optimizer's definition in float64. `state`: zeros at first.
using Definition = std::function<at::Tensor(const at::Tensor& x, const at::Tensor& g, at::Tensor* state,
                                            double rate, double decay, int step)>;

// Twenty steps of both parameters, of changing rates, against the definition.
void check_against(const std::string& toml, const Definition& definition) {
    const auto options =
        OptimizerOptions::from(core::Config::parse(toml + "\nclip = 0\nweight_decay = 0.1", "f"));
    auto parameters = two_parameters();
    for (auto& each : parameters) each.tensor = each.tensor.detach().to(at::kDouble).requires_grad_();
    Optimizer optimizer(parameters, options);
    std::vector<at::Tensor> expected;
    std::vector<std::vector<at::Tensor>> state;
    for (const auto& each : parameters) {
        expected.push_back(each.tensor.detach().clone());
        state.push_back({at::zeros_like(expected.back()), at::zeros_like(expected.back())});
    }
    for (int step = 1; step <= 20; ++step) {
        set_gradients(parameters, step);
        const double rate = 0.002 * (1 + step % 3);
        for (std::size_t i = 0; i < 2; ++i)
            expected[i] = definition(expected[i], parameters[i].tensor.grad().to(at::kDouble),
                                     state[i].data(), rate, i == 0 ? 0.1 : 0, step);
        optimizer.step(rate);
    }
    for (std::size_t i = 0; i < 2; ++i) {
        INFO(toml << " parameter " << i);
        CHECK((parameters[i].tensor.detach().to(at::kDouble) - expected[i]).abs().max().item<double>() <
              1e-6);
    }
}

}  // namespace

TEST_CASE("twenty steps of each optimizer are those of its definition to 1e-6") {
    check_against("name = 'sgd'\nmomentum = 0.8\nnesterov = true",
                  [](const at::Tensor& x, at::Tensor g, at::Tensor* state, double rate, double decay, int) {
                      g = g + decay * x;
                      state[0] = 0.8 * state[0] + g;
                      return x - rate * (g + 0.8 * state[0]);
                  });
    check_against("name = 'adamw'", [](const at::Tensor& x, const at::Tensor& g, at::Tensor* state,
                                       double rate, double decay, int step) {
        state[0] = 0.9 * state[0] + 0.1 * g;
        state[1] = 0.999 * state[1] + 0.001 * g * g;
        const auto first = state[0] / (1 - std::pow(0.9, step)),
                   second = state[1] / (1 - std::pow(0.999, step));
        return x * (1 - rate * decay) - rate * first / (second.sqrt() + 1e-8);
    });
    check_against(
        "name = 'lion'\nbeta1 = 0.9",  // its own beta2 is 0.99
        [](const at::Tensor& x, const at::Tensor& g, at::Tensor* state, double rate, double decay, int) {
            const auto move = (0.9 * state[0] + 0.1 * g).sign() + decay * x;
            state[0] = 0.99 * state[0] + 0.01 * g;
            return x - rate * move;
        });
    check_against(
        "name = 'lamb'",  // its own epsilon is 1e-6; biases know no trust ratio
        [](const at::Tensor& x, const at::Tensor& g, at::Tensor* state, double rate, double decay, int step) {
            state[0] = 0.9 * state[0] + 0.1 * g;
            state[1] = 0.999 * state[1] + 0.001 * g * g;
            const auto first = state[0] / (1 - std::pow(0.9, step)),
                       second = state[1] / (1 - std::pow(0.999, step));
            const auto move = first / (second.sqrt() + 1e-6) + decay * x;
            const double ratio = x.dim() > 1 ? (x.norm() / move.norm()).item<double>() : 1;
            return x - rate * ratio * move;
        });
}

TEST_CASE("weights of nothing move by LAMB as by Adam, not to nowhere") {
    std::vector<NamedTensor> parameters{{"kernel", at::zeros({3, 2}).requires_grad_()}};
    Optimizer optimizer(parameters,
                        OptimizerOptions::from(core::Config::parse("name = 'lamb'\nclip = 0", "f")));
    parameters[0].tensor.mutable_grad() = at::ones({3, 2});
    optimizer.step(0.1);
    CHECK(at::allclose(parameters[0].tensor.detach(), at::full({3, 2}, -0.1), 1e-4));
    parameters[0].tensor.mutable_grad() = at::zeros({3, 2});
    optimizer.step(0);
    CHECK(at::isfinite(parameters[0].tensor).all().item<bool>());
}

TEST_CASE("the state that a checkpoint holds is named, and keys are those of the optimizer") {
    const auto names = [](const char* toml) {
        const Optimizer optimizer(two_parameters(), OptimizerOptions::from(core::Config::parse(toml, "f")));
        std::vector<std::string> out;
        for (const auto& each : optimizer.state()) out.push_back(each.name);
        return out;
    };
    using Names = std::vector<std::string>;
    CHECK(names("") == Names{"kernel.first", "kernel.second", "bias.first", "bias.second"});
    CHECK(names("name = 'lion'") == Names{"kernel.first", "bias.first"});
    CHECK(names("name = 'lamb'") == Names{"kernel.first", "kernel.second", "bias.first", "bias.second"});
    const auto finish = [](const char* toml) {
        const auto config = core::Config::parse(toml, "f");
        OptimizerOptions::from(config);
        config.finish();
    };
    CHECK_NOTHROW(finish("name = 'sgd'\nnesterov = true"));
    CHECK_THROWS_WITH(finish("nesterov = true"), Catch::Contains("nesterov"));  // of adamw
    CHECK_THROWS_WITH(finish("name = 'lion'\nepsilon = 0.1"), Catch::Contains("epsilon"));
    CHECK_THROWS_WITH(finish("name = 'sgd'\nmomentum = 0\nnesterov = true"), Catch::Contains("nesterov"));
    CHECK_THROWS_WITH(finish("name = 'lian'"), Catch::Contains("lion"));
    CHECK_THROWS_WITH(finish("beta1 = 1.0"), Catch::Contains("beta1"));
    CHECK_THROWS_WITH(finish("rate = -0.1"), Catch::Contains("rate"));
}

TEST_CASE("a part moves by its multiple of the rate, and one of 0 needs no gradient") {
    const auto moved = [](std::vector<OptimizerOptions::Layer> layers) {
        OptimizerOptions options;
        options.name = "sgd";
        options.momentum = 0;
        options.weight_decay = 0;
        options.clip = 0;
        options.layers = std::move(layers);
        std::vector<NamedTensor> parameters;
        for (const char* name : {"stem.conv.weight", "stem.norm.weight", "stem2.weight"})
            parameters.push_back({name, at::zeros({2, 2}).requires_grad_()});
        Optimizer optimizer(parameters, options);
        for (auto& each : parameters)
            if (each.tensor.requires_grad()) each.tensor.mutable_grad() = at::ones({2, 2});
        optimizer.step(0.5);
        std::vector<double> out;
        for (const auto& each : parameters) out.push_back(-each.tensor[0][0].item<double>());
        CHECK(optimizer.state().size() == static_cast<std::size_t>(std::count_if(
                                              out.begin(), out.end(), [](double x) { return x > 0; })));
        return out;
    };
    CHECK(moved({}) == std::vector<double>{0.5, 0.5, 0.5});
    CHECK(moved({{"stem", 0.5}}) == std::vector<double>{0.25, 0.25, 0.5});
    CHECK(moved({{"stem", 0}}) == std::vector<double>{0, 0, 0.5});
    CHECK(moved({{"stem", 0}, {"stem.norm", 2}}) == std::vector<double>{0, 1, 0.5});
    CHECK(moved({{"stem.norm", 2}, {"stem", 0}}) == std::vector<double>{0, 1, 0.5});
    CHECK_THROWS_AS(moved({{"stage1", 0}}), core::Error);
    CHECK_THROWS_AS(moved({{"stem", 0}, {"stem2", 0}}), core::Error);
}
