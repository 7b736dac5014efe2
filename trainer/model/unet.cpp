// U-Net for images and volumes (Ronneberger et al. 2015, arXiv 1505.04597) as nnU-Net plans it (Isensee et al. 2021,
// doi 10.1038/s41592-020-01008-z), with its residual encoder (Isensee et al. 2024, arXiv 2404.09556): leaky ReLU,
// strided convolutions down, transposed ones up, one convolution in each stage of the decoder, an axis halved only where
// it stays 4 long or more. Other than there a shortcut that changes shape is one strided convolution (He et al. 2016).
// Norms are of one sample alone, so that the result is the same on any number of ranks.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "trainer/model/model.h"
#include "trainer/model/zoo_rows.h"

namespace trainer {
namespace {

constexpr std::int64_t kGroups = 8;  // of group norm; every width is a multiple of it
constexpr double kSlope = 0.01;      // of the leaky ReLU, as nnU-Net

struct Plan {
    std::string name;
    std::size_t axes;     // 2 or 3
    std::int64_t widest;  // channels at most, as nnU-Net: 512 and 320
    std::int64_t width;   // of the first stage
    std::vector<std::int64_t> blocks;
    bool is_instance, is_deep;
};

// [stage][axis]: by what it goes down to a stage. The first stage has the samples' own size. Less than `stages` if no
// axis has room for another.
std::vector<std::vector<std::int64_t>> strides_of(std::vector<std::int64_t> size, std::size_t stages) {
    std::vector<std::vector<std::int64_t>> out{std::vector<std::int64_t>(size.size(), 1)};
    while (out.size() < stages) {
        std::vector<std::int64_t> stride;
        for (std::int64_t& axis : size) {
            stride.push_back(axis >= 8 ? 2 : 1);
            axis = (axis + stride.back() - 1) / stride.back();
        }
        if (std::all_of(stride.begin(), stride.end(), [](auto each) { return each == 1; })) break;
        out.push_back(std::move(stride));
    }
    return out;
}

std::vector<std::int64_t> size_of(const ModelInput& input, std::size_t axes) {
    return {input.shape.end() - static_cast<std::ptrdiff_t>(axes), input.shape.end()};
}

class UNet final : public Model {
public:
    UNet(const ModelInput& input, Plan plan) : Model(input), plan_(std::move(plan)) {
        const std::size_t stages = plan_.blocks.size();
        const auto strides = strides_of(size_of(input, plan_.axes), stages);
        stem_ = conv("stem", channels(), plan_.width);
        std::int64_t from = plan_.width;
        for (std::size_t stage = 0; stage < stages; ++stage) {
            const std::int64_t to = width_of(stage);
            encoder_.emplace_back();
            for (std::int64_t i = 0; i < plan_.blocks[stage]; ++i) {
                const std::string at = "encoder" + std::to_string(stage + 1) + "." + std::to_string(i) + ".";
                Block block;
                block.stride = i == 0 ? strides[stage] : strides[0];
                block.first = conv(at + "1", from, to);
                block.second = conv(at + "2", to, to, 0);  // a block starts as the identity
                if (from != to || block.stride != strides[0])
                    block.shortcut =
                        weight(at + "shortcut", to, from, strides[0], 2.0 / static_cast<double>(to));
                encoder_.back().push_back(std::move(block));
                from = to;
            }
        }
        for (std::size_t stage = stages - 1; stage-- > 0;) {
            const std::int64_t to = width_of(stage);
            const std::string at = "decoder" + std::to_string(stage + 1) + ".";
            Up up;
            up.stride = strides[stage + 1];
            // As a transposed convolution has it: [from, to, kernel].
            up.widen = weight(at + "up", from, to, up.stride, 1.0 / static_cast<double>(from));
            up.join = conv(at + "join", 2 * to, to);
            if (stage == 0 || (plan_.is_deep && stage + 2 < stages)) {
                const std::string head = "head" + std::to_string(stage + 1);
                up.head = weight(head, input.outputs, to, strides[0], 1.0 / static_cast<double>(to));
                up.head_bias = add_parameter(head + ".bias", at::zeros({input.outputs}));
            }
            decoder_.push_back(std::move(up));
            from = to;
        }
    }

    std::string toml() const override {
        std::string counts;
        for (const auto count : plan_.blocks) counts += (counts.empty() ? "" : ", ") + std::to_string(count);
        return "name = \"" + plan_.name + "\"\nwidth = " + std::to_string(plan_.width) + "\nblocks = [" +
               counts + "]\nnorm = \"" + (plan_.is_instance ? "instance" : "group") +
               "\"\ndeep_supervision = " + (plan_.is_deep ? "true" : "false") + "\n";
    }

private:
    struct Conv {
        at::Tensor weight, norm_weight, norm_bias;
    };
    struct Block {
        Conv first, second;
        at::Tensor shortcut;  // undefined where shapes agree
        std::vector<std::int64_t> stride;
    };
    struct Up {
        at::Tensor widen, head, head_bias;  // head: undefined where this stage says nothing
        Conv join;
        std::vector<std::int64_t> stride;
    };

    std::int64_t width_of(std::size_t stage) const { return std::min(plan_.width << stage, plan_.widest); }

    at::Tensor weight(const std::string& name, std::int64_t to, std::int64_t from,
                      const std::vector<std::int64_t>& kernel, double variance) {
        std::vector<std::int64_t> shape{to, from};
        shape.insert(shape.end(), kernel.begin(), kernel.end());
        return add_parameter(name + ".weight", at::randn(shape) * std::sqrt(variance));
    }
    // 3 wide along each axis, and the norm behind it.
    Conv conv(const std::string& name, std::int64_t from, std::int64_t to, double initial = 1) {
        const std::vector<std::int64_t> kernel(plan_.axes, 3);
        const double taps = std::pow(3.0, static_cast<double>(plan_.axes));
        Conv out;
        out.weight = weight(name + ".conv", to, from, kernel,
                            2.0 / (static_cast<double>(to) * taps));  // He et al. 2015
        out.norm_weight = add_parameter(name + ".norm.weight", at::full({to}, initial));
        out.norm_bias = add_parameter(name + ".norm.bias", at::zeros({to}));
        return out;
    }

    at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                        at::IntArrayRef stride) const {
        const std::vector<std::int64_t> border(plan_.axes, weight.size(2) / 2);
        return plan_.axes == 2 ? at::conv2d(x, weight, bias, stride, border)
                               : at::conv3d(x, weight, bias, stride, border);
    }
    at::Tensor widen(const at::Tensor& x, const at::Tensor& weight, at::IntArrayRef stride) const {
        return plan_.axes == 2 ? at::conv_transpose2d(x, weight, {}, stride)
                               : at::conv_transpose3d(x, weight, {}, stride);
    }
    at::Tensor normed(const at::Tensor& x, const Conv& conv, at::IntArrayRef stride) const {
        const at::Tensor y = convolve(x, conv.weight, {}, stride);
        return at::group_norm(y, plan_.is_instance ? y.size(1) : kGroups, conv.norm_weight, conv.norm_bias);
    }

    // [B, outputs, size]; in training under deep supervision [B, heads, outputs, size], the finest first and the others
    // widened to the samples' size by their nearest value.
    at::Tensor compute(const at::Tensor& input, Mode mode) override {
        const std::vector<std::int64_t> one(plan_.axes, 1);
        at::Tensor x = at::leaky_relu(normed(input, stem_, one), kSlope);
        std::vector<at::Tensor> skips;
        for (const auto& stage : encoder_) {
            for (const Block& block : stage) {
                const at::Tensor y = at::leaky_relu(normed(x, block.first, block.stride), kSlope);
                const at::Tensor shortcut =
                    block.shortcut.defined() ? convolve(x, block.shortcut, {}, block.stride) : x;
                x = at::leaky_relu(normed(y, block.second, one) + shortcut, kSlope);
            }
            skips.push_back(x);
        }
        std::vector<at::Tensor> heads;
        for (std::size_t i = 0; i < decoder_.size(); ++i) {
            const Up& up = decoder_[i];
            const at::Tensor& skip = skips[skips.size() - 2 - i];
            at::Tensor wide = widen(x, up.widen, up.stride);
            for (std::int64_t axis = 2; axis < skip.dim();
                 ++axis)  // an odd size was rounded up on the way down
                wide = wide.narrow(axis, 0, skip.size(axis));
            x = at::leaky_relu(normed(at::cat({wide, skip}, 1), up.join, one), kSlope);
            const bool is_finest = i + 1 == decoder_.size();
            if (up.head.defined() && (is_finest || mode == Mode::train))
                heads.push_back(convolve(x, up.head, up.head_bias, one));
        }
        if (heads.size() == 1) return heads[0];
        const auto size = input.sizes().slice(2);
        std::reverse(heads.begin(), heads.end());
        for (std::size_t i = 1; i < heads.size(); ++i)
            heads[i] = plan_.axes == 2 ? at::upsample_nearest2d(heads[i], size)
                                       : at::upsample_nearest3d(heads[i], size);
        return at::stack(heads, 1);
    }

    const Plan plan_;
    Conv stem_;
    std::vector<std::vector<Block>> encoder_;  // by stage
    std::vector<Up> decoder_;                  // from the coarsest
};

constexpr std::int64_t kWidest2d = 512, kWidest3d = 320;  // nnU-Net's

struct UNetOptions {
    std::int64_t width = 32;
    std::vector<std::int64_t> blocks{1, 2, 2, 2};
    std::string norm = "instance";
    bool deep_supervision = true;
};
using U = UNetOptions;
constexpr Key<U> kKeys[] = {
    {"width", &U::width, kGroups, kWidest2d, "channels",
     "of the first stage, a multiple of 8; each stage doubles them, up to 512, of volumes 320", 1},
    {"blocks", &U::blocks, 1, 100, "",
     "residual blocks of the encoder in each of 2 to 8 stages; each after the first halves every axis that "
     "is 8 "
     "long or more",
     1},
    {"norm", &U::norm, 0, 0, "", "of each channel; or of 8 groups of channels", 1, Counts::weights,
     "instance group"},
    {"deep_supervision", &U::deep_supervision, 0, 1, "",
     "the loss is also of coarser stages of the decoder than the finest", 1},
};

std::unique_ptr<Model> make(const core::Config& options, const ModelInput& input, Plan plan) {
    U out;
    for (const auto& key : kKeys) read(options, out, key);
    if (out.blocks.empty()) out.blocks = U().blocks;
    if (out.width > plan.widest || out.width % kGroups != 0)
        options.refuse("width", "expected a multiple of 8, at most " + std::to_string(plan.widest));
    if (out.blocks.size() < 2 || out.blocks.size() > 8) options.refuse("blocks", "expected 2 to 8 stages");
    plan.width = out.width;
    plan.blocks = std::move(out.blocks);
    plan.is_instance = out.norm == "instance";
    plan.is_deep = out.deep_supervision;
    const bool fits =
        plan.axes == 3 ? input.shape.size() == 4 : input.shape.size() == 2 || input.shape.size() == 3;
    if (!fits)
        options.refuse("name", plan.axes == 3
                                   ? "unet3d takes volumes, [C, D, H, W]"
                                   : "unet2d takes images, [C, H, W] or [H, W]; for volumes there is unet3d");
    const auto room = strides_of(size_of(input, plan.axes), plan.blocks.size()).size();
    if (room < plan.blocks.size())
        options.refuse("blocks", "samples of this size have room for " + std::to_string(room) +
                                     (room == 1 ? " stage" : " stages") + ": an axis below 8 is not halved");
    return std::make_unique<UNet>(input, std::move(plan));
}

}  // namespace

std::unique_ptr<Model> make_unet2d(const core::Config& options, const ModelInput& input) {
    return make(options, input, {"unet2d", 2, kWidest2d, 0, {}, false, false});
}

std::unique_ptr<Model> make_unet3d(const core::Config& options, const ModelInput& input) {
    return make(options, input, {"unet3d", 3, kWidest3d, 0, {}, false, false});
}

void add_unet_rows(std::vector<KeyRow>& out, const std::string& name) {
    const std::size_t first = out.size();
    add_rows(out, "model", U(), kKeys, "model.name", {name}, [](std::string_view) { return true; });
    if (name == "unet3d") out[first].allowed.most = kWidest3d;
}

}  // namespace trainer
