// Residual network for images of 8 x 8 to 224 x 224 (He et al. 2016, arXiv 1512.03385; pre-activation is not
// used). Group norm (Wu and He 2018) in place of batch norm: the result then depends on the sample alone, not
// on which samples share its batch, so that it is the same on any number of ranks. norm = "fixed" is a factor and an
// offset in place of a norm, after the shortcut's convolution too: what a trained batch norm is (pretrained.h).
#include <ATen/ATen.h>

#include <cmath>

#include "trainer/model/group_norm.h"
#include "trainer/model/max_pool.h"
#include "trainer/model/model.h"

namespace trainer {
namespace {

constexpr std::int64_t kGroups = 8;  // every width is a multiple of it

class ResNet2d final : public Model {
public:
    ResNet2d(const ModelInput& input, std::int64_t width, std::vector<std::int64_t> blocks, bool large_stem,
             bool fixed, double dropout)
        : Model(input),
          width_(width),
          block_counts_(std::move(blocks)),
          large_stem_(large_stem),
          fixed_(fixed),
          dropout_(dropout) {
        stem_ = conv("stem.conv", channels(), width, large_stem ? 7 : 3);
        stem_norm_ = norm("stem.norm", width, 1);
        std::int64_t from = width;
        for (std::size_t stage = 0; stage < block_counts_.size(); ++stage) {
            const std::int64_t to = width << stage;
            for (std::int64_t i = 0; i < block_counts_[stage]; ++i) {
                const std::string at = "stage" + std::to_string(stage + 1) + "." + std::to_string(i) + ".";
                Block block;
                block.stride = stage > 0 && i == 0 ? 2 : 1;
                block.conv1 = conv(at + "conv1", from, to, 3);
                block.norm1 = norm(at + "norm1", to, 1);
                block.conv2 = conv(at + "conv2", to, to, 3);
                block.norm2 = norm(at + "norm2", to, 0);  // a block starts as the identity
                if (block.stride != 1 || from != to) {
                    block.shortcut = conv(at + "shortcut", from, to, 1);
                    if (fixed_) block.shortcut_norm = norm(at + "shortcut_norm", to, 1);
                }
                blocks_.push_back(block);
                from = to;
            }
        }
        head_weight_ = add_parameter(
            "head.weight", at::randn({input.outputs, from}) * std::sqrt(1.0 / static_cast<double>(from)));
        head_bias_ = add_parameter("head.bias", at::zeros({input.outputs}));
    }

    std::string toml() const override {
        std::string counts;
        for (const auto count : block_counts_) counts += (counts.empty() ? "" : ", ") + std::to_string(count);
        return "name = \"resnet2d\"\nwidth = " + std::to_string(width_) + "\nblocks = [" + counts +
               "]\nstem = \"" + (large_stem_ ? "large" : "small") + (fixed_ ? "\"\nnorm = \"fixed" : "") +
               "\"\ndropout = " + std::to_string(dropout_) + "\n";
    }

private:
    struct Norm {
        at::Tensor weight, bias;
        bool is_fixed = false;
        at::Tensor operator()(const at::Tensor& x, const at::Tensor& other, Relu relu) const {
            if (!is_fixed) return group_norm(x, kGroups, weight, bias, other, relu);
            at::Tensor y = x * weight.view({1, -1, 1, 1}) + bias.view({1, -1, 1, 1});
            if (other.defined()) y = y + other;
            return relu == Relu::yes ? at::relu(y) : y;
        }
    };
    struct Block {
        at::Tensor conv1, conv2, shortcut;  // shortcut: undefined where shapes agree
        Norm norm1, norm2, shortcut_norm;
        std::int64_t stride = 1;
    };

    at::Tensor conv(const std::string& name, std::int64_t from, std::int64_t to, std::int64_t kernel) {
        const double deviation =
            std::sqrt(2.0 / static_cast<double>(to * kernel * kernel));  // He et al. 2015, fan out
        return add_parameter(name + ".weight", at::randn({to, from, kernel, kernel}) * deviation);
    }
    Norm norm(const std::string& name, std::int64_t channels, double initial) {
        return {add_parameter(name + ".weight", at::full({channels}, initial)),
                add_parameter(name + ".bias", at::zeros({channels})), fixed_};
    }
    static at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, std::int64_t stride) {
        return at::conv2d(x, weight, {}, {stride, stride}, {weight.size(2) / 2, weight.size(3) / 2});
    }

    at::Tensor compute(const at::Tensor& input, Mode mode) override {
        at::Tensor x = stem_norm_(convolve(input, stem_, large_stem_ ? 2 : 1), {}, Relu::yes);
        if (large_stem_) x = max_pool(x);
        for (const Block& block : blocks_) {
            const at::Tensor y = block.norm1(convolve(x, block.conv1, block.stride), {}, Relu::yes);
            at::Tensor shortcut = block.shortcut.defined() ? convolve(x, block.shortcut, block.stride) : x;
            if (block.shortcut_norm.is_fixed) shortcut = block.shortcut_norm(shortcut, {}, Relu::no);
            x = block.norm2(convolve(y, block.conv2, 1), shortcut, Relu::yes);
        }
        x = x.mean({2, 3}, /*keepdim=*/false, at::kFloat);
        if (dropout_ > 0) x = at::dropout(x, dropout_, mode == Mode::train);
        return at::linear(x, head_weight_, head_bias_);
    }

    std::int64_t width_;
    std::vector<std::int64_t> block_counts_;
    bool large_stem_, fixed_;
    double dropout_;
    at::Tensor stem_, head_weight_, head_bias_;
    Norm stem_norm_;
    std::vector<Block> blocks_;
};

}  // namespace

std::unique_ptr<Model> make_resnet2d(const core::Config& options, const ModelInput& input) {
    const std::int64_t width = options.integer_or("width", 16);
    std::vector<std::int64_t> blocks = options.integers("blocks");
    const std::string stem = options.text_or("stem", "small");
    const std::string norm = options.text_or("norm", "group");
    const double dropout = options.number_or("dropout", 0);
    if (blocks.empty()) blocks = {1, 1, 1};
    if (width < kGroups || width > 1024 || width % kGroups != 0)
        options.refuse("width", "expected a multiple of 8, at most 1024");
    if (blocks.size() > 6) options.refuse("blocks", "expected at most 6 stages");
    for (const auto count : blocks)
        if (count < 1 || count > 100) options.refuse("blocks", "expected 1 to 100 blocks in each stage");
    if (stem != "small" && stem != "large") options.refuse("stem", "expected \"small\" or \"large\"");
    if (norm != "group" && norm != "fixed") options.refuse("norm", "expected \"group\" or \"fixed\"");
    if (dropout < 0 || dropout >= 1) options.refuse("dropout", "expected 0 <= dropout < 1");
    if (input.shape.size() != 2 && input.shape.size() != 3)
        options.refuse("name", "resnet2d takes images, [C, H, W] or [H, W]; for tables there is mlp");
    return std::make_unique<ResNet2d>(input, width, std::move(blocks), stem == "large", norm == "fixed",
                                      dropout);
}

}  // namespace trainer
