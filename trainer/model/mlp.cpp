// Fully connected layers for tables: linear, ReLU, dropout, as often as `hidden` says, then the scores.
#include <ATen/ATen.h>

#include <cmath>

#include "trainer/model/model.h"
#include "trainer/model/zoo_rows.h"

namespace trainer {
namespace {

struct MlpOptions {
    std::vector<std::int64_t> hidden{64, 32};
    double dropout = 0;
};
constexpr Key<MlpOptions> kKeys[] = {
    {"hidden", &MlpOptions::hidden, 1, 65536, "", "widths of the hidden layers", 1},
    {"dropout", &MlpOptions::dropout, 0, just_below(1), "", "share of what is left out after each of them",
     1},
};

class Mlp final : public Model {
public:
    Mlp(const ModelInput& input, std::vector<std::int64_t> hidden, double dropout)
        : Model(input), hidden_(std::move(hidden)), dropout_(dropout) {
        std::int64_t from = input.shape[0];
        std::vector<std::int64_t> widths = hidden_;
        widths.push_back(input.outputs);
        for (std::size_t i = 0; i < widths.size(); ++i) {
            const std::string name = "layer" + std::to_string(i + 1);
            const double deviation = std::sqrt(2.0 / static_cast<double>(from));  // He et al. 2015
            weights_.push_back(add_parameter(name + ".weight", at::randn({widths[i], from}) * deviation));
            biases_.push_back(add_parameter(name + ".bias", at::zeros({widths[i]})));
            from = widths[i];
        }
    }

    std::string toml() const override {
        std::string widths;
        for (const auto width : hidden_) widths += (widths.empty() ? "" : ", ") + std::to_string(width);
        return "name = \"mlp\"\nhidden = [" + widths + "]\ndropout = " + std::to_string(dropout_) + "\n";
    }

private:
    at::Tensor compute(const at::Tensor& input, Mode mode) override {
        at::Tensor x = input;
        for (std::size_t i = 0; i < weights_.size(); ++i) {
            x = at::linear(x, weights_[i], biases_[i]);
            if (i + 1 == weights_.size()) break;
            x = at::relu(x);
            if (dropout_ > 0) x = at::dropout(x, dropout_, mode == Mode::train);
        }
        return x;
    }

    std::vector<std::int64_t> hidden_;
    double dropout_;
    std::vector<at::Tensor> weights_, biases_;
};

}  // namespace

std::unique_ptr<Model> make_mlp(const core::Config& options, const ModelInput& input) {
    MlpOptions out;
    for (const auto& key : kKeys) read(options, out, key);
    if (out.hidden.empty()) out.hidden = MlpOptions().hidden;
    if (input.shape.size() != 1)
        options.refuse("name", "mlp takes feature vectors, [features]; for images there is resnet2d");
    return std::make_unique<Mlp>(input, std::move(out.hidden), out.dropout);
}

void add_mlp_rows(std::vector<KeyRow>& out, const std::string& name) {
    static const MlpOptions kDefaults;  // of a temporary GCC 12 warns
    add_rows(out, "model", kDefaults, kKeys, "model.name", {name}, [](std::string_view) { return true; });
}

}  // namespace trainer
