// Densely connected network for images and volumes (Huang et al. 2017, arXiv 1608.06993), DenseNet-BC with a compression of
// a half, as torchvision's and MONAI's DenseNet-121 are laid out: each layer sees what all before it in its block gave.
// Group norm in place of batch norm, and norm = "fixed", as in resnet2d.cpp. Other than there an axis that has come down to
// one pixel is no longer halved between blocks.
#include <ATen/ATen.h>

#include <cmath>
#include <numeric>

#include "trainer/model/group_norm.h"
#include "trainer/model/max_pool.h"
#include "trainer/model/model.h"
#include "trainer/model/zoo_rows.h"

namespace trainer {
namespace {

constexpr std::int64_t kGroups = 8;      // of group norm at most: channels are shared out evenly
constexpr std::int64_t kBottleneck = 4;  // times the growth: channels of a layer's first convolution

struct Plan {
    std::string name;
    std::size_t axes;  // 2 or 3
    std::int64_t width = 64, growth = 32;
    std::vector<std::int64_t> blocks;  // layers of each
    bool is_large = true, is_fixed = false;
    double dropout = 0;
};

class DenseNet final : public Model {
public:
    DenseNet(const ModelInput& input, Plan plan) : Model(input), plan_(std::move(plan)) {
        stem_ = conv("stem.conv", channels(), plan_.width, plan_.is_large ? 7 : 3);
        stem_norm_ = norm("stem.norm", plan_.width);
        std::int64_t from = plan_.width;
        for (std::size_t block = 0; block < plan_.blocks.size(); ++block) {
            const std::string number = std::to_string(block + 1);
            blocks_.emplace_back();
            for (std::int64_t i = 0; i < plan_.blocks[block]; ++i, from += plan_.growth) {
                const std::string at = "block" + number + "." + std::to_string(i) + ".";
                Layer layer;
                layer.norm1 = norm(at + "norm1", from);
                layer.conv1 = conv(at + "conv1", from, kBottleneck * plan_.growth, 1);
                layer.norm2 = norm(at + "norm2", kBottleneck * plan_.growth);
                layer.conv2 = conv(at + "conv2", kBottleneck * plan_.growth, plan_.growth, 3);
                blocks_.back().push_back(std::move(layer));
            }
            if (block + 1 == plan_.blocks.size()) break;
            const std::string at = "transition" + number + ".";
            Transition transition;
            transition.norm = norm(at + "norm", from);
            transition.conv = conv(at + "conv", from, from / 2, 1);
            transitions_.push_back(std::move(transition));
            from /= 2;
        }
        last_norm_ = norm("last.norm", from);
        head_weight_ = add_parameter(
            "head.weight", at::randn({input.outputs, from}) * std::sqrt(1.0 / static_cast<double>(from)));
        head_bias_ = add_parameter("head.bias", at::zeros({input.outputs}));
    }

    std::string toml() const override {
        std::string counts;
        for (const auto count : plan_.blocks) counts += (counts.empty() ? "" : ", ") + std::to_string(count);
        return "name = \"" + plan_.name + "\"\nwidth = " + std::to_string(plan_.width) +
               "\ngrowth = " + std::to_string(plan_.growth) + "\nblocks = [" + counts + "]\nstem = \"" +
               (plan_.is_large ? "large" : "small") + (plan_.is_fixed ? "\"\nnorm = \"fixed" : "") +
               "\"\ndropout = " + std::to_string(plan_.dropout) + "\n";
    }

private:
    struct Norm {
        at::Tensor weight, bias;
    };
    struct Layer {
        Norm norm1, norm2;
        at::Tensor conv1, conv2;
    };
    struct Transition {
        Norm norm;
        at::Tensor conv;
    };

    at::Tensor conv(const std::string& name, std::int64_t from, std::int64_t to, std::int64_t kernel) {
        std::vector<std::int64_t> shape{to, from};
        shape.resize(plan_.axes + 2, kernel);
        const double taps = std::pow(static_cast<double>(kernel), static_cast<double>(plan_.axes));
        return add_parameter(name + ".weight",
                             at::randn(shape) * std::sqrt(2.0 / (static_cast<double>(from) * taps)));
    }
    Norm norm(const std::string& name, std::int64_t channels) {
        return {add_parameter(name + ".weight", at::ones({channels})),
                add_parameter(name + ".bias", at::zeros({channels}))};
    }

    // And the ReLU behind it.
    at::Tensor normed(const at::Tensor& x, const Norm& norm) const {
        if (plan_.is_fixed) {
            std::vector<std::int64_t> shape(plan_.axes + 2, 1);
            shape[1] = -1;
            return at::relu(x * norm.weight.view(shape) + norm.bias.view(shape));
        }
        const std::int64_t groups = std::gcd(kGroups, x.size(1));
        if (plan_.axes == 2) return group_norm(x, groups, norm.weight, norm.bias, {}, Relu::yes);
        return at::relu(at::group_norm(x, groups, norm.weight, norm.bias));
    }
    at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, std::int64_t stride = 1) const {
        const std::vector<std::int64_t> border(plan_.axes, weight.size(2) / 2), by(plan_.axes, stride);
        return plan_.axes == 2 ? at::conv2d(x, weight, {}, by, border)
                               : at::conv3d(x, weight, {}, by, border);
    }
    at::Tensor halved(const at::Tensor& x) const {
        std::vector<std::int64_t> by;
        for (std::size_t axis = 0; axis < plan_.axes; ++axis)
            by.push_back(std::min<std::int64_t>(2, x.size(2 + static_cast<std::int64_t>(axis))));
        return plan_.axes == 2 ? at::avg_pool2d(x, by, by) : at::avg_pool3d(x, by, by);
    }

    at::Tensor compute(const at::Tensor& input, Mode mode) override {
        at::Tensor x = normed(convolve(input, stem_, plan_.is_large ? 2 : 1), stem_norm_);
        if (plan_.is_large)
            x = plan_.axes == 2 ? max_pool(x) : at::max_pool3d(x, {3, 3, 3}, {2, 2, 2}, {1, 1, 1});
        for (std::size_t block = 0; block < blocks_.size(); ++block) {
            for (const Layer& layer : blocks_[block]) {
                const at::Tensor y = convolve(normed(x, layer.norm1), layer.conv1);
                x = at::cat({x, convolve(normed(y, layer.norm2), layer.conv2)}, 1);
            }
            if (block < transitions_.size())
                x = halved(convolve(normed(x, transitions_[block].norm), transitions_[block].conv));
        }
        std::vector<std::int64_t> spatial(plan_.axes);
        std::iota(spatial.begin(), spatial.end(), 2);
        x = normed(x, last_norm_).mean(spatial, /*keepdim=*/false, at::kFloat);
        if (plan_.dropout > 0) x = at::dropout(x, plan_.dropout, mode == Mode::train);
        return at::linear(x, head_weight_, head_bias_);
    }

    const Plan plan_;
    at::Tensor stem_, head_weight_, head_bias_;
    Norm stem_norm_, last_norm_;
    std::vector<std::vector<Layer>> blocks_;
    std::vector<Transition> transitions_;  // behind each block but the last
};

struct DenseNetOptions {
    std::int64_t width = 64, growth = 32;
    std::vector<std::int64_t> blocks{6, 12, 24, 16};
    std::string stem = "large", norm = "group";
    double dropout = 0;
};
using D = DenseNetOptions;
constexpr auto kIsWeights = Counts::weights;
constexpr Key<D> kKeys[] = {
    {"width", &D::width, 8, 1024, "channels", "behind the first convolution, a multiple of 8", 1},
    {"growth", &D::growth, 8, 256, "channels", "that each layer adds, a multiple of 8", 1},
    {"blocks", &D::blocks, 1, 100, "",
     "layers of each block, at most 6 blocks; between two, half as many channels and half of each axis", 1},
    {"stem", &D::stem, 0, 0, "", "3 x 3; or 7 x 7 and pooling, a quarter of the size", 1, kIsWeights,
     "small large"},
    {"norm", &D::norm, 0, 0, "",
     "of up to 8 groups of channels; or a factor and an offset, for weights of torchvision or MONAI", 2,
     kIsWeights, "group fixed"},
    {"dropout", &D::dropout, 0, just_below(1), "", "share of what is left out before the last layer", 1},
};

std::unique_ptr<Model> make(const core::Config& options, const ModelInput& input, Plan plan) {
    D out;
    for (const auto& key : kKeys) read(options, out, key);
    if (out.blocks.empty()) out.blocks = D().blocks;
    if (out.width % 8 != 0) options.refuse("width", "expected a multiple of 8, at most 1024");
    if (out.growth % 8 != 0) options.refuse("growth", "expected a multiple of 8, at most 256");
    if (out.blocks.size() > 6) options.refuse("blocks", "expected at most 6 blocks");
    plan.width = out.width;
    plan.growth = out.growth;
    plan.blocks = std::move(out.blocks);
    plan.is_large = out.stem == "large";
    plan.is_fixed = out.norm == "fixed";
    plan.dropout = out.dropout;
    const std::size_t rank = input.shape.size();
    if (plan.axes == 3 ? rank != 4 : rank != 2 && rank != 3)
        options.refuse("name", plan.axes == 3
                                   ? "densenet3d takes volumes, [C, D, H, W]"
                                   : "densenet2d takes images, [C, H, W] or [H, W]; for volumes there is "
                                     "densenet3d");
    return std::make_unique<DenseNet>(input, std::move(plan));
}

}  // namespace

std::unique_ptr<Model> make_densenet2d(const core::Config& options, const ModelInput& input) {
    Plan plan;
    plan.name = "densenet2d";
    plan.axes = 2;
    return make(options, input, std::move(plan));
}

std::unique_ptr<Model> make_densenet3d(const core::Config& options, const ModelInput& input) {
    Plan plan;
    plan.name = "densenet3d";
    plan.axes = 3;
    return make(options, input, std::move(plan));
}

void add_densenet_rows(std::vector<KeyRow>& out, const std::string& name) {
    add_rows(out, "model", D(), kKeys, "model.name", {name}, [](std::string_view) { return true; });
}

}  // namespace trainer
