#include "trainer/model/pretrained.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "core/base/error.h"

using namespace trainer;
using Catch::Contains;

namespace {

// torchvision's ResNet with basic blocks (He et al. 2016, table 1, as its models/resnet.py lays it out), written down
// once more: names, shapes and what it computes when it is used.
struct Theirs {
    std::map<std::string, at::Tensor> tensors;
    std::vector<std::int64_t> blocks;

    Theirs(std::int64_t width, std::vector<std::int64_t> counts, std::int64_t channels, std::int64_t classes)
        : blocks(std::move(counts)) {
        at::manual_seed(11);
        conv("conv1", channels, width, 7);
        norm("bn1", width);
        std::int64_t from = width;
        for (std::size_t stage = 0; stage < blocks.size(); ++stage)
            for (std::int64_t i = 0; i < blocks[stage]; ++i) {
                const std::int64_t to = width << stage;
                const std::string at = "layer" + std::to_string(stage + 1) + "." + std::to_string(i) + ".";
                conv(at + "conv1", from, to, 3);
                norm(at + "bn1", to);
                conv(at + "conv2", to, to, 3);
                norm(at + "bn2", to);
                if (from != to) {
                    conv(at + "downsample.0", from, to, 1);
                    norm(at + "downsample.1", to);
                }
                from = to;
            }
        tensors["fc.weight"] = at::randn({classes, from}) * 0.1;
        tensors["fc.bias"] = at::randn({classes});
    }
    void conv(const std::string& name, std::int64_t from, std::int64_t to, std::int64_t kernel) {
        tensors[name + ".weight"] =
            at::randn({to, from, kernel, kernel}) / std::sqrt(static_cast<double>(from * kernel * kernel));
    }
    void norm(const std::string& name, std::int64_t channels) {
        tensors[name + ".weight"] = at::rand({channels}) + 0.5;
        tensors[name + ".bias"] = at::randn({channels}) * 0.3;
        tensors[name + ".running_mean"] = at::randn({channels}) * 0.3;
        tensors[name + ".running_var"] = at::rand({channels}) + 0.2;
        tensors[name + ".num_batches_tracked"] = at::ones({}, at::kLong);
    }
    at::Tensor normed(const std::string& name, const at::Tensor& x) const {
        return at::batch_norm(x, tensors.at(name + ".weight"), tensors.at(name + ".bias"),
                              tensors.at(name + ".running_mean"), tensors.at(name + ".running_var"),
                              /*training=*/false, 0.1, 1e-5, false);
    }
    at::Tensor convolved(const std::string& name, const at::Tensor& x, std::int64_t stride) const {
        const at::Tensor& weight = tensors.at(name + ".weight");
        return at::conv2d(x, weight, {}, {stride, stride}, {weight.size(2) / 2, weight.size(2) / 2});
    }
    at::Tensor forward(const at::Tensor& images) const {
        at::Tensor x = at::relu(normed("bn1", convolved("conv1", images, 2)));
        x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
        for (std::size_t stage = 0; stage < blocks.size(); ++stage)
            for (std::int64_t i = 0; i < blocks[stage]; ++i) {
                const std::string at = "layer" + std::to_string(stage + 1) + "." + std::to_string(i) + ".";
                const std::int64_t stride = stage > 0 && i == 0 ? 2 : 1;
                const at::Tensor y = at::relu(normed(at + "bn1", convolved(at + "conv1", x, stride)));
                const at::Tensor z = normed(at + "bn2", convolved(at + "conv2", y, 1));
                if (tensors.contains(at + "downsample.0.weight"))
                    x = normed(at + "downsample.1", convolved(at + "downsample.0", x, stride));
                x = at::relu(z + x);
            }
        return at::linear(x.mean({2, 3}), tensors.at("fc.weight"), tensors.at("fc.bias"));
    }
    TensorFile file() const {
        TensorFile out;
        for (const auto& [name, tensor] : tensors) out.tensors.push_back({name, tensor});
        return out;
    }
};

std::unique_ptr<Model> ours(const std::string& norm, std::int64_t channels = 3, std::int64_t classes = 5) {
    return make_model(core::Config::parse(
                          "name = \"resnet2d\"\nwidth = 16\nblocks = [2, 1, 2]\nstem = \"large\"\nnorm = \"" +
                              norm + "\"\n",
                          "test"),
                      {{channels, 48, 40}, classes}, 1);
}

const Theirs& theirs() {
    static const Theirs made(16, {2, 1, 2}, 3, 5);
    return made;
}

std::map<std::string, at::Tensor> parameters_of(const Model& model) {
    std::map<std::string, at::Tensor> out;
    for (const auto& each : model.parameters()) out[each.name] = each.tensor.detach().clone();
    return out;
}

}  // namespace

TEST_CASE("with torchvision's weights the model computes what torchvision's does") {
    const at::NoGradGuard off;
    const auto model = ours("fixed");
    const Taken told = take_weights(theirs().file(), "torchvision", *model);
    CHECK(told.kept.empty());
    CHECK(told.taken.size() == model->parameters().size());
    CHECK(told.unused == 0);
    CHECK(!told.is_stem_summed);
    at::manual_seed(3);
    const at::Tensor images = at::randn({4, 3, 48, 40});
    const at::Tensor wanted = theirs().forward(images), found = model->forward(images, Mode::evaluate);
    CHECK(at::allclose(found, wanted, 1e-5, 1e-5));
    CHECK(wanted.std(0).min().item<double>() > 1e-3);  // images are told apart
}

TEST_CASE("a grey image is seen as three equal channels") {
    const at::NoGradGuard off;
    const auto model = ours("fixed", 1);
    CHECK(take_weights(theirs().file(), "torchvision", *model).is_stem_summed);
    at::manual_seed(3);
    const at::Tensor grey = at::randn({2, 1, 48, 40});
    CHECK(at::allclose(model->forward(grey, Mode::evaluate), theirs().forward(grey.expand({2, 3, 48, 40})),
                       1e-5, 1e-5));
}

TEST_CASE("a head for other classes stays as drawn, and is told") {
    const auto model = ours("fixed", 3, 2);
    const auto before = parameters_of(*model);
    const Taken told = take_weights(theirs().file(), "torchvision", *model);
    CHECK(told.kept == std::vector<std::string>{"head.weight", "head.bias"});
    const auto after = parameters_of(*model);
    CHECK(at::equal(before.at("head.weight"), after.at("head.weight")));
    CHECK(at::equal(after.at("stage2.0.conv1.weight"), theirs().tensors.at("layer2.0.conv1.weight")));
}

TEST_CASE("batch norms are not taken for group norms") {
    const auto model = ours("group");
    const auto before = parameters_of(*model);
    const Taken told = take_weights(theirs().file(), "torchvision", *model);
    const auto after = parameters_of(*model);
    for (const auto& [name, tensor] : after) {
        const bool is_norm = name.find("norm") != std::string::npos;
        CHECK(at::equal(tensor, before.at(name)) == is_norm);
        CHECK((std::find(told.kept.begin(), told.kept.end(), name) != told.kept.end()) == is_norm);
    }
    CHECK(told.unused > 0);
}

TEST_CASE("our own file is taken by its own names") {
    const auto from = ours("group"), to = ours("group");
    for (const auto& each : from->parameters()) each.tensor.detach().normal_();
    const Taken told = take_weights({from->state(), {}}, "own", *to);
    CHECK(told.taken.size() == to->parameters().size());
    CHECK(told.unused == 2);  // mean and deviation of other samples
    const auto one = parameters_of(*from), other = parameters_of(*to);
    for (const auto& [name, tensor] : one) CHECK(at::equal(tensor, other.at(name)));
}

TEST_CASE("what does not fit is refused by name") {
    TensorFile file = theirs().file();
    const auto at = [&](const char* name) {
        return std::find_if(file.tensors.begin(), file.tensors.end(),
                            [&](const NamedTensor& each) { return each.name == name; });
    };
    const auto refused = [&](const char* why) {
        const auto model = ours("fixed");
        CHECK_THROWS_WITH(take_weights(file, "torchvision", *model), Contains(why));
    };
    SECTION("missing") {
        file.tensors.erase(at("layer2.0.conv2.weight"));
        refused("layer2.0.conv2.weight is missing");
    }
    SECTION("of another shape") {
        at("layer1.1.conv1.weight")->tensor = at::zeros({16, 16, 1, 1});
        refused("another shape than stage1.1.conv1.weight");
    }
    SECTION("without what a batch norm has counted") {
        file.tensors.erase(at("bn1.running_mean"));
        refused("bn1.running_mean is missing");
    }
    SECTION("of another model") {
        const auto mlp = make_model(core::Config::parse("name = \"mlp\"", "test"), {{6}, 5}, 1);
        CHECK_THROWS_WITH(take_weights(file, "torchvision", *mlp), Contains("resnet2d"));
    }
}
