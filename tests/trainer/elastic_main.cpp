// What elastic displacements make of images and volumes, as JSON, for elastic_test.py: of each case the fields of
// displacement and the noise that they are smoothed from; and samples before and after, whose first channels are the places
// of their pixels, so that afterwards they say where each pixel comes from.
#include <ATen/ATen.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "trainer/augment/augment.h"
#include "trainer/augment/transforms.h"

using namespace trainer;
using Json = nlohmann::json;

namespace {

Json flat(const at::Tensor& of) {
    const at::Tensor values = of.to(at::kDouble).contiguous();
    return {{"shape", of.sizes().vec()},
            {"values", std::vector<double>(values.const_data_ptr<double>(),
                                           values.const_data_ptr<double>() + values.numel())}};
}

Json told(const std::vector<std::int64_t>& sides, const std::string& more) {
    const auto axes = static_cast<std::int64_t>(sides.size());
    const auto rows = AugmentOptions::from(
        core::Config::parse("[[augment]]\nname = 'elastic'\nchance = 1\n" + more, "case").tables("augment"));
    std::vector<std::int64_t> shape{axes + 1};
    shape.insert(shape.end(), sides.begin(), sides.end());
    at::manual_seed(7);
    std::vector<at::Tensor> channels;
    for (std::int64_t axis = 0; axis < axes; ++axis) {
        std::vector<std::int64_t> line(sides.size(), 1);
        line[static_cast<std::size_t>(axis)] = -1;
        channels.push_back(
            at::arange(sides[static_cast<std::size_t>(axis)], at::kFloat).view(line).expand(sides));
    }
    channels.push_back(at::rand(sides) * 10);
    const at::Tensor sample = at::stack(channels).unsqueeze(0),
                     mask = at::randint(5, sides, at::kByte).unsqueeze(0);
    std::vector<std::int64_t> per_channel(shape.size(), 1);
    per_channel[0] = axes + 1;
    const Standard plain{at::zeros(per_channel), at::ones(per_channel)};
    const Augment augment(rows, 11, shape);
    const std::vector<std::int64_t> number{42};
    const std::int64_t keys[2] = {123456, 987654};
    return {{"image", flat(sample[0][axes])},
            {"mask", flat(mask[0])},
            {"after", flat(augment.images(sample, number, 3, plain)[0])},
            {"mask_after", flat(augment.masks(mask, number, 3)[0])},
            {"smoothness", rows[0].smoothness},
            {"noise", flat(displacements(sides, 1, 0.1, keys, at::kCPU))},  // too narrow to smooth anything
            {"field", flat(displacements(sides, 1, rows[0].smoothness, keys, at::kCPU))}};
}

}  // namespace

int main() {
    const std::string strong = "least = 2\nmost = 2\nsmoothness = ";
    std::cout << Json{told({31, 40}, strong + "3"), told({64, 48}, strong + "6.5"),
                      told({64, 64}, strong + "4\naxes = ['x']"), told({9, 16, 20}, strong + "4"),
                      told({24, 24, 24}, strong + "1.5\naxes = ['z', 'y']")}
                     .dump()
              << '\n';
}
