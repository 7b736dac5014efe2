// DenseNets, and ResNets with bottleneck blocks; published_test.py has what they compute with others' weights.
#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "trainer/model/model.h"

using namespace trainer;

namespace {

std::unique_ptr<Model> model(const std::string& toml, std::vector<std::int64_t> shape, std::int64_t outputs) {
    const auto options = core::Config::parse(toml, "test");
    auto out = make_model(options, {std::move(shape), outputs}, 1);
    options.finish();
    return out;
}

std::int64_t count_of(const Model& model) {
    std::int64_t out = 0;
    for (const auto& each : model.parameters()) out += each.tensor.numel();
    return out;
}

}  // namespace

TEST_CASE("DenseNet-121 and ResNet-50 have as many parameters as torchvision says of its own") {
    CHECK(count_of(*model("name = \"densenet2d\"", {3, 224, 224}, 1000)) == 7978856);
    CHECK(count_of(*model("name = \"resnet2d\"\nwidth = 64\nblocks = [3, 4, 6, 3]\nstem = \"large\"\nblock = "
                          "\"bottleneck\"\nnorm = \"fixed\"",
                          {3, 224, 224}, 1000)) == 25557032);
}

TEST_CASE(
    "what is said of a sample is its own, every parameter has a part in it, and the model is made again by "
    "its table") {
    struct Case {
        std::string toml;
        std::vector<std::int64_t> shape;
    };
    for (const Case& each : std::vector<Case>{
             {"name = \"densenet2d\"\nwidth = 16\ngrowth = 8\nblocks = [2, 2]\nstem = \"small\"", {9, 12}},
             {"name = \"densenet2d\"\nwidth = 24\ngrowth = 8\nblocks = [1, 2, 1]\nnorm = \"fixed\"",
              {3, 32, 40}},
             // Of so few slices that an axis comes down to one.
             {"name = \"densenet3d\"\nwidth = 8\ngrowth = 8\nblocks = [1, 1, 2, 1]", {1, 4, 32, 33}},
             {"name = \"resnet2d\"\nwidth = 8\nblocks = [1, 2]\nblock = \"bottleneck\"", {2, 16, 16}}}) {
        INFO(each.toml);
        const auto made = model(each.toml, each.shape, 3), again = model(made->toml(), each.shape, 3);
        CHECK(again->toml() == made->toml());
        at::manual_seed(2);
        std::vector<std::int64_t> whole{4};
        whole.insert(whole.end(), each.shape.begin(), each.shape.end());
        const at::Tensor samples = at::randn(whole);
        // The last norm of a residual block starts at 0 and hides what is before it.
        for (const auto& parameter : made->parameters())
            if (parameter.tensor.dim() == 1) parameter.tensor.detach().add_(0.3);
        const at::Tensor scores = made->forward(samples, Mode::train);
        REQUIRE(scores.sizes() == at::IntArrayRef({4, 3}));
        for (std::int64_t i = 0; i < 4; ++i)
            CHECK(at::allclose(made->forward(samples.narrow(0, i, 1), Mode::evaluate)[0], scores[i], 1e-4,
                               1e-5));
        scores.square().sum().backward();
        for (const auto& parameter : made->parameters()) {
            INFO(parameter.name);
            REQUIRE(parameter.tensor.grad().defined());
            CHECK(at::isfinite(parameter.tensor.grad()).all().item<bool>());
            CHECK(parameter.tensor.grad().abs().max().item<double>() > 0);
        }
    }
}
