// What a model of ours says of samples with weights of another's: published MODEL NAMES OUTPUTS WEIGHTS SAMPLES, a [model]
// table, whose names the weights have, how many outputs, and two safetensors files, the latter with a tensor "samples". Prints
// JSON: the scores, what was taken and what stayed.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "core/base/files.h"
#include "trainer/model/model.h"
#include "trainer/model/pretrained.h"

using namespace trainer;

int main(int, char** argv) {
    const at::NoGradGuard off;
    const auto read = [](const char* path) {
        return parse_safetensors(core::read_file(path, std::uint64_t{1} << 32), path, Origin::anywhere);
    };
    const at::Tensor samples = read(argv[5]).tensors.at(0).tensor;
    const auto options = core::Config::parse(argv[1], "model");
    const auto model = make_model(options, {samples.sizes().slice(1).vec(), std::stoi(argv[3])}, 1);
    options.finish();
    const Taken told = take_weights(read(argv[4]), argv[2], *model);
    const at::Tensor scores = model->forward(samples, Mode::evaluate).contiguous();
    nlohmann::json out = {{"taken", told.taken.size()}, {"kept", told.kept}, {"unused", told.unused}};
    out["scores"] =
        std::vector<float>(scores.const_data_ptr<float>(), scores.const_data_ptr<float>() + scores.numel());
    std::cout << out.dump() << '\n';
}
