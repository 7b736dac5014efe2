#include "trainer/model/model.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>

using namespace trainer;

namespace {

std::unique_ptr<Model> network() {
    auto model = make_model(core::Config::parse("name = \"mlp\"\nhidden = [8, 8]", "test"), {{3}, 2}, 1);
    model->set_standardisation({1, 2, 3}, {2, 2, 2});
    return model;
}

}  // namespace

TEST_CASE("values that are missing or infinite count as the mean") {
    const float bad = GENERATE(NAN, INFINITY, -INFINITY, 3e38F);  // the last overflows when it is scaled
    const auto model = network();
    const at::Tensor mean = at::tensor({0.5F, 2.0F, 4.0F}).view({1, 3});
    at::Tensor with = mean.clone();
    with[0][1] = bad;
    CHECK(at::equal(model->forward(with, Mode::evaluate), model->forward(mean, Mode::evaluate)));
}
