#include "trainer/engine/flips.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <iterator>

#include "core/base/error.h"

namespace trainer {

std::vector<std::int64_t> flip_dimensions(const std::vector<std::string>& axes,
                                          const std::vector<std::int64_t>& shape) {
    static const std::vector<std::string> kAxes{"x", "y", "z"};
    const std::ptrdiff_t there_are = shape.size() < 2 ? 0 : shape.size() < 4 ? 2 : 3;
    std::vector<std::int64_t> out;
    for (const std::string& axis : axes) {
        const auto place = std::find(kAxes.begin(), kAxes.end(), axis) - kAxes.begin();
        if (place >= there_are)
            throw core::Error(core::Fault::usage,
                              there_are == 0 ? "evaluate.flips: the samples are neither images nor volumes"
                                             : "evaluate.flips: the samples have no axis \"" + axis + "\"");
        out.push_back(-1 - place);
    }
    return out;
}

at::Tensor mean_over_flips(const at::Tensor& inputs, const std::vector<std::int64_t>& dimensions,
                           bool is_dense, const std::function<at::Tensor(const at::Tensor&)>& look) {
    if (dimensions.empty()) return look(inputs);
    const at::Tensor values = inputs.to(at::kFloat);
    const std::size_t combinations = std::size_t{1} << dimensions.size();
    at::Tensor sum;
    for (std::size_t which = 0; which < combinations; ++which) {
        std::vector<std::int64_t> turned;
        for (std::size_t i = 0; i < dimensions.size(); ++i)
            if (which >> i & 1) turned.push_back(dimensions[i]);
        at::Tensor said = look(values.flip(turned));
        if (is_dense) said = said.flip(turned);
        sum = sum.defined() ? sum.add_(said) : said.clone();
    }
    return sum.div_(static_cast<double>(combinations));
}

}  // namespace trainer
