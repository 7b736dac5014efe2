// The U-Nets: shapes at any size, what a sample's scores depend on, and how many weights there are.
#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <numeric>

#include "core/base/error.h"
#include "trainer/model/model.h"

using namespace trainer;

namespace {

std::unique_ptr<Model> unet(const std::string& toml, std::vector<std::int64_t> shape,
                            std::int64_t classes = 3) {
    const auto options = core::Config::parse(toml, "test");
    auto model = make_model(options, {std::move(shape), classes, false, true}, 5);
    options.finish();
    return model;
}

std::vector<std::int64_t> with(std::vector<std::int64_t> first, const std::vector<std::int64_t>& rest) {
    first.insert(first.end(), rest.begin(), rest.end());
    return first;
}

std::int64_t count_of(const Model& model) {
    std::int64_t out = 0;
    for (const auto& each : model.parameters()) out += each.tensor.numel();
    return out;
}

// Stage by stage, by hand: convolutions without bias, two numbers of norm behind each, heads with a bias.
std::int64_t by_hand(std::int64_t taps, std::int64_t channels, std::int64_t classes,
                     const std::vector<std::int64_t>& widths, const std::vector<std::int64_t>& blocks,
                     const std::vector<std::int64_t>& up_taps, std::size_t heads) {
    const auto conv = [&](std::int64_t from, std::int64_t to) { return from * to * taps + 2 * to; };
    std::int64_t out = conv(channels, widths[0]), from = widths[0];
    for (std::size_t s = 0; s < widths.size(); ++s)
        for (std::int64_t i = 0; i < blocks[s]; ++i) {
            out += conv(from, widths[s]) + conv(widths[s], widths[s]);
            if (s > 0 && i == 0) out += from * widths[s];  // it is strided, whatever its channels
            from = widths[s];
        }
    for (std::size_t s = widths.size() - 1; s-- > 0;) {
        out += widths[s + 1] * widths[s] * up_taps[s] + conv(2 * widths[s], widths[s]);
        if (s < heads) out += (widths[s] + 1) * classes;
    }
    return out;
}

const std::string k2d = "name = \"unet2d\"\nwidth = 8\n", k3d = "name = \"unet3d\"\nwidth = 8\n";

}  // namespace

TEST_CASE("a U-Net gives scores for each pixel of samples of any size") {
    for (const auto& [toml, shape] :
         {std::pair{k2d + "blocks = [1, 1, 1]", std::vector<std::int64_t>{1, 16, 16}},
          {k2d + "blocks = [1, 2, 1]", {17, 31}},
          {k2d + "blocks = [1, 1]\nnorm = \"group\"", {3, 9, 4}},
          {k2d + "blocks = [1, 1, 1, 1]", {1, 3, 67}},
          {k3d + "blocks = [1, 1, 1]", {2, 13, 16, 15}},
          {k3d + "blocks = [1, 1]\nnorm = \"group\"", {1, 1, 9, 8}}}) {
        INFO(toml);
        const auto model = unet(toml, shape);
        const std::vector<std::int64_t> size(shape.size() == 2 ? shape.begin() : shape.begin() + 1,
                                             shape.end());
        const at::Tensor x = at::randn(with({2}, shape));
        const at::Tensor scores = model->forward(x, Mode::evaluate);
        CHECK(scores.sizes().vec() == with({2, 3}, size));
        CHECK(at::isfinite(scores).all().item<bool>());
        // A sample's scores are its own: the same beside any other.
        CHECK(at::allclose(model->forward(x.narrow(0, 1, 1), Mode::evaluate)[0], scores[1], 1e-4, 1e-5));
        const at::Tensor trained = model->forward(x, Mode::train);
        trained.sum().backward();
        for (const auto& each : model->parameters()) CHECK(each.tensor.grad().defined());
    }
}

TEST_CASE("deep supervision scores every stage of the decoder but the coarsest, in training only") {
    const std::string toml = k2d + "blocks = [1, 1, 1, 1]\n";
    const at::Tensor x = at::randn({2, 1, 33, 32});
    const auto deep = unet(toml, {1, 33, 32}), plain = unet(toml + "deep_supervision = false", {1, 33, 32});
    const at::Tensor heads = deep->forward(x, Mode::train);
    CHECK(heads.sizes().vec() == std::vector<std::int64_t>{2, 2, 3, 33, 32});
    CHECK(at::equal(heads.select(1, 0), deep->forward(x, Mode::evaluate)));
    const at::Tensor coarse = heads.select(1, 1);  // half as fine, each value twice along both axes
    CHECK(at::equal(coarse.slice(3, 0, 32, 2), coarse.slice(3, 1, 32, 2)));
    CHECK(plain->forward(x, Mode::train).dim() == 4);
    CHECK(count_of(*deep) - count_of(*plain) == (16 + 1) * 3);
}

TEST_CASE("a U-Net has as many weights as its stages say") {
    CHECK(count_of(*unet(k2d + "blocks = [1, 2, 1]", {1, 32, 32})) ==
          by_hand(9, 1, 3, {8, 16, 32}, {1, 2, 1}, {4, 4}, 1));
    CHECK(count_of(*unet(k2d + "blocks = [1, 1, 1, 3]", {4, 64, 64}, 2)) ==
          by_hand(9, 4, 2, {8, 16, 32, 64}, {1, 1, 1, 3}, {4, 4, 4}, 2));
    // An axis of 9 is halved once, to 5, and then no more.
    CHECK(count_of(*unet(k3d + "blocks = [1, 1, 1]", {2, 9, 32, 33})) ==
          by_hand(27, 2, 3, {8, 16, 32}, {1, 1, 1}, {8, 4}, 1));
    // nnU-Net's widths end at 512 and 320.
    CHECK(count_of(*unet("name = \"unet3d\"\nwidth = 160\nblocks = [1, 1, 1]", {1, 32, 32, 32}, 2)) ==
          by_hand(27, 1, 2, {160, 320, 320}, {1, 1, 1}, {8, 8}, 1));
}

TEST_CASE("what a U-Net cannot be made of is refused") {
    for (const auto& [toml, shape, word] :
         {std::tuple{k2d + "blocks = [1, 1, 1]", std::vector<std::int64_t>{1, 8, 8}, "room for 2 stages"},
          {k2d + "blocks = [1, 1]", {1, 4, 7}, "room for 1 stage"},
          {k2d, {30}, "takes images"},
          {k2d, {1, 16, 16, 16}, "unet3d"},
          {k3d, {16, 16, 16}, "takes volumes"},
          {k2d + "norm = \"batch\"", {64, 64}, "instance"},
          {k2d + "blocks = [1]", {64, 64}, "2 to 8"},
          {std::string("name = \"unet2d\"\nwidth = 12"), {64, 64}, "multiple of 8"},
          {std::string("name = \"resnet2d\""), {64, 64}, "unet2d and unet3d"}}) {
        INFO(toml);
        CHECK_THROWS_WITH(unet(toml, shape), Catch::Contains(word));
    }
    // A U-Net is for tasks that ask for a score at each pixel.
    CHECK_THROWS_WITH(make_model(core::Config::parse(k2d, "test"), {{64, 64}, 3}, 1),
                      Catch::Contains("resnet2d, mlp, densenet2d and densenet3d"));
}
