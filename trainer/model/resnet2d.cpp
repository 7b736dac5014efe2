// Residual network for images of 8 x 8 to 224 x 224 (He et al. 2016, arXiv 1512.03385; pre-activation is not
// used). Group norm (Wu and He 2018) in place of batch norm: the result then depends on the sample alone, not
// on which samples share its batch, so that it is the same on any number of ranks. norm = "fixed" is a factor and an
// offset in place of a norm, after the shortcut's convolution too: what a trained batch norm is (pretrained.h).
#include <ATen/ATen.h>

#include <cmath>

#include "trainer/model/group_norm.h"
#include "trainer/model/max_pool.h"
#include "trainer/model/model.h"
#include "trainer/model/zoo_rows.h"

namespace trainer {
namespace {

constexpr std::int64_t kGroups = 8;     // every width is a multiple of it
constexpr std::int64_t kExpansion = 4;  // a bottleneck's channels at its ends, times those within

class ResNet2d final : public Model {
public:
    ResNet2d(const ModelInput& input, std::int64_t width, std::vector<std::int64_t> blocks, bool bottleneck,
             bool large_stem, bool fixed, double dropout)
        : Model(input),
          width_(width),
          block_counts_(std::move(blocks)),
          bottleneck_(bottleneck),
          large_stem_(large_stem),
          fixed_(fixed),
          dropout_(dropout) {
        stem_ = conv("stem.conv", channels(), width, large_stem ? 7 : 3);
        stem_norm_ = norm("stem.norm", width, 1);
        std::int64_t from = width;
        for (std::size_t stage = 0; stage < block_counts_.size(); ++stage) {
            const std::int64_t inner = width << stage, to = inner * (bottleneck_ ? kExpansion : 1);
            for (std::int64_t i = 0; i < block_counts_[stage]; ++i) {
                const std::string at = "stage" + std::to_string(stage + 1) + "." + std::to_string(i) + ".";
                Block block;
                block.stride = stage > 0 && i == 0 ? 2 : 1;
                block.conv1 = conv(at + "conv1", from, inner, bottleneck_ ? 1 : 3);
                block.norm1 = norm(at + "norm1", inner, 1);
                block.conv2 = conv(at + "conv2", inner, inner, 3);
                block.norm2 =
                    norm(at + "norm2", inner, bottleneck_ ? 1 : 0);  // a block starts as the identity
                if (bottleneck_) {
                    block.conv3 = conv(at + "conv3", inner, to, 1);
                    block.norm3 = norm(at + "norm3", to, 0);
                }
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
               "]\nstem = \"" + (large_stem_ ? "large" : "small") +
               (bottleneck_ ? "\"\nblock = \"bottleneck" : "") + (fixed_ ? "\"\nnorm = \"fixed" : "") +
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
        at::Tensor conv1, conv2, conv3,
            shortcut;  // conv3: of a bottleneck; shortcut: undefined where shapes agree
        Norm norm1, norm2, norm3, shortcut_norm;
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
            // A bottleneck halves the size in its second convolution, as torchvision ("ResNet v1.5").
            const at::Tensor y =
                block.norm1(convolve(x, block.conv1, bottleneck_ ? 1 : block.stride), {}, Relu::yes);
            at::Tensor shortcut = block.shortcut.defined() ? convolve(x, block.shortcut, block.stride) : x;
            if (block.shortcut_norm.is_fixed) shortcut = block.shortcut_norm(shortcut, {}, Relu::no);
            if (bottleneck_) {
                const at::Tensor z = block.norm2(convolve(y, block.conv2, block.stride), {}, Relu::yes);
                x = block.norm3(convolve(z, block.conv3, 1), shortcut, Relu::yes);
            } else {
                x = block.norm2(convolve(y, block.conv2, 1), shortcut, Relu::yes);
            }
        }
        x = x.mean({2, 3}, /*keepdim=*/false, at::kFloat);
        if (dropout_ > 0) x = at::dropout(x, dropout_, mode == Mode::train);
        return at::linear(x, head_weight_, head_bias_);
    }

    std::int64_t width_;
    std::vector<std::int64_t> block_counts_;
    bool bottleneck_, large_stem_, fixed_;
    double dropout_;
    at::Tensor stem_, head_weight_, head_bias_;
    Norm stem_norm_;
    std::vector<Block> blocks_;
};

struct ResNetOptions {
    std::int64_t width = 16;
    std::vector<std::int64_t> blocks{1, 1, 1};
    std::string stem = "small", block = "basic", norm = "group";
    double dropout = 0;
};
using R = ResNetOptions;
constexpr auto kIsWeights = Counts::weights;
constexpr Key<R> kKeys[] = {
    {"width", &R::width, kGroups, 1024, "channels",
     "of the first stage, a multiple of 8; each stage doubles them", 1},
    {"blocks", &R::blocks, 1, 100, "",
     "residual blocks in each stage, at most 6 stages; each after the first halves height and width", 1},
    {"stem", &R::stem, 0, 0, "",
     "3 x 3, for images up to about 64 x 64; or 7 x 7 and pooling, a quarter of the size", 1, kIsWeights,
     "small large"},
    {"block", &R::block, 0, 0, "",
     "two convolutions of 3 x 3; or 1 x 1, 3 x 3 and 1 x 1, of four times the channels at its ends", 2,
     kIsWeights, "basic bottleneck"},
    {"norm", &R::norm, 0, 0, "",
     "of 8 groups of channels; or a factor and an offset, for weights of torchvision's ResNet", 2, kIsWeights,
     "group fixed"},
    {"dropout", &R::dropout, 0, just_below(1), "", "share of what is left out before the last layer", 1},
};

}  // namespace

std::unique_ptr<Model> make_resnet2d(const core::Config& options, const ModelInput& input) {
    R out;
    for (const auto& key : kKeys) read(options, out, key);
    if (out.blocks.empty()) out.blocks = R().blocks;
    if (out.width % kGroups != 0) options.refuse("width", "expected a multiple of 8, at most 1024");
    if (out.blocks.size() > 6) options.refuse("blocks", "expected at most 6 stages");
    if (input.shape.size() != 2 && input.shape.size() != 3)
        options.refuse("name", "resnet2d takes images, [C, H, W] or [H, W]; for tables there is mlp");
    return std::make_unique<ResNet2d>(input, out.width, std::move(out.blocks), out.block == "bottleneck",
                                      out.stem == "large", out.norm == "fixed", out.dropout);
}

void add_resnet2d_rows(std::vector<KeyRow>& out, const std::string& name) {
    add_rows(out, "model", R(), kKeys, "model.name", {name}, [](std::string_view) { return true; });
}

}  // namespace trainer
