// Fits a random array as fields ask, for the comparison with scipy (scipy_equal.py): reads float64 [C, D, H, W] from
// stdin, writes the outcome to stdout.
//   fit_dump zoom|spacing linear|nearest C D H W A B C'     zoom: to A B C' elements; spacing: scale A B C'
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <string>

#include "staging/image/fit.h"

using namespace staging;

int main(int argc, char** argv) {
    if (argc != 10) return 2;
    core::Array array;
    for (int i = 3; i < 7; ++i) array.shape.push_back(std::atoll(argv[i]));
    const std::string all{std::istreambuf_iterator<char>(std::cin), {}};
    array.bytes.assign(all.begin(), all.end());
    FieldChoice choice;
    choice.field = {"image", core::DType::f64, {}, ""};
    std::vector<double> spacing;
    if (argv[1] == std::string("zoom")) {
        choice.fit = Fit::resample;
        choice.field.shape = {array.shape[0], std::atoll(argv[7]), std::atoll(argv[8]), std::atoll(argv[9])};
    } else {
        spacing = {1, 1, 1};
        choice.spacing = {std::atof(argv[7]), std::atof(argv[8]), std::atof(argv[9])};
    }
    const auto plan = plan_fit(choice, array.shape, spacing);
    if (!std::holds_alternative<FitPlan>(plan)) return 3;
    const auto how = argv[2] == std::string("linear") ? Interpolation::linear : Interpolation::nearest;
    const core::Array out = apply_fit(array, choice.field.dtype, std::get<FitPlan>(plan), how, 0);
    std::cout.write(reinterpret_cast<const char*>(out.bytes.data()),
                    static_cast<std::streamsize>(out.bytes.size()));
    return std::cout.flush() ? 0 : 1;
}
