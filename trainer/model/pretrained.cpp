#include "trainer/model/pretrained.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <map>
#include <optional>
#include <regex>
#include <set>

#include "core/base/error.h"

namespace trainer {
namespace {

using core::Error;
using core::Fault;

constexpr double kEpsilon = 1e-5;

class File {
public:
    explicit File(const TensorFile& file) {
        for (const NamedTensor& each : file.tensors) tensors_.emplace(each.name, each.tensor);
    }
    // As float32; undefined if there is none such.
    at::Tensor find(const std::string& name) {
        const auto found = tensors_.find(name);
        if (found == tensors_.end()) return {};
        used_.insert(name);
        return found->second.to(at::kFloat);
    }
    at::Tensor need(const std::string& name) {
        at::Tensor out = find(name);
        if (!out.defined()) throw Error(Fault::data, "init.file: tensor " + name + " is missing");
        return out;
    }
    std::int64_t unused() const { return static_cast<std::int64_t>(tensors_.size() - used_.size()); }

private:
    std::map<std::string, at::Tensor> tensors_;
    std::set<std::string> used_;
};

// "layer2.0.downsample.1" of "stage2.0.shortcut_norm": torchvision's name of a part of a ResNet of ours, and MONAI's.
std::string name_in_resnet(const std::string& part) {
    if (part == "stem.conv") return "conv1";
    if (part == "stem.norm") return "bn1";
    if (part == "head") return "fc";
    static const std::regex kPart("stage([0-9]+)\\.([0-9]+)\\.(conv|norm|shortcut|shortcut_norm)([123]?)");
    std::smatch found;
    if (!std::regex_match(part, found, kPart)) throw Error(Fault::bug, "a ResNet has a part without a name");
    const std::string block = "layer" + found[1].str() + "." + found[2].str() + ".";
    if (found[3] == "shortcut") return block + "downsample.0";
    if (found[3] == "shortcut_norm") return block + "downsample.1";
    return block + (found[3] == "conv" ? "conv" : "bn") + found[4].str();
}

// "features.denseblock2.denselayer1.norm1" of "block2.0.norm1": torchvision's name of a part of a DenseNet of ours; in
// MONAI's a layer's parts stand one name deeper, in "layers".
std::string name_in_densenet(const std::string& part, bool is_monai) {
    if (part == "stem.conv") return "features.conv0";
    if (part == "stem.norm") return "features.norm0";
    if (part == "last.norm") return "features.norm5";  // however many blocks there are
    if (part == "head") return is_monai ? "class_layers.out" : "classifier";
    if (part.starts_with("transition")) return "features." + part;
    static const std::regex kPart("block([0-9]+)\\.([0-9]+)\\.((?:conv|norm)[12])");
    std::smatch found;
    if (!std::regex_match(part, found, kPart))
        throw Error(Fault::bug, "a DenseNet has a part without a name");
    return "features.denseblock" + found[1].str() + ".denselayer" + std::to_string(std::stoi(found[2]) + 1) +
           "." + (is_monai ? "layers." : "") + found[3].str();
}

std::string their_name(const std::string& part, const std::string& names, const Model& model) {
    const std::string toml = model.toml();
    if (toml.starts_with("name = \"resnet")) return name_in_resnet(part);
    if (toml.starts_with("name = \"densenet")) return name_in_densenet(part, names == "monai");
    throw Error(Fault::usage, "init.names: \"" + names +
                                  "\" is of resnet2d, densenet2d and densenet3d, and of no other model");
}

// The factor, or the offset, of a batch norm that is used; the tensor itself of another norm.
at::Tensor of_norm(File& file, const std::string& name, bool is_weight) {
    const at::Tensor mean = file.find(name + ".running_mean"), weight = file.need(name + ".weight"),
                     bias = file.need(name + ".bias");
    if (!mean.defined()) return is_weight ? weight : bias;
    const at::Tensor factor =
        weight.to(at::kDouble) / at::sqrt(file.need(name + ".running_var").to(at::kDouble) + kEpsilon);
    file.find(name + ".num_batches_tracked");
    // Of MONAI's shortcuts the convolution has an offset of its own.
    at::Tensor before = at::zeros_like(mean);
    if (name.ends_with("downsample.1"))
        if (const at::Tensor own = file.find(name.substr(0, name.size() - 1) + "0.bias"); own.defined())
            before = own;
    return (is_weight ? factor
                      : bias.to(at::kDouble) + (before.to(at::kDouble) - mean.to(at::kDouble)) * factor)
        .to(at::kFloat);
}

}  // namespace

Taken take_weights(const TensorFile& from, const std::string& names, Model& model) {
    const at::NoGradGuard off;
    File file(from);
    Taken out;
    const bool is_own = names == "own";
    const auto& parameters = model.parameters();
    const bool is_fixed = model.toml().find("norm = \"fixed\"") != std::string::npos;
    for (const NamedTensor& each : parameters) {
        const std::size_t dot = each.name.rfind('.');
        const std::string part = each.name.substr(0, dot), last = each.name.substr(dot + 1);
        const bool is_head = part == "head" || part.starts_with("head.");
        const std::string theirs = is_own ? part : their_name(part, names, model);
        const bool is_norm = !is_own && part.find("norm") != std::string::npos;
        at::Tensor source;
        if (is_norm) {
            const bool is_batch_norm = file.find(theirs + ".running_mean").defined();
            if (is_fixed) file.need(theirs + ".running_mean");  // of another norm nothing follows for this
            if (!is_batch_norm || is_fixed) source = of_norm(file, theirs, last == "weight");
        } else {
            source = is_head ? file.find(theirs + "." + last) : file.need(theirs + "." + last);
        }
        // Of a grey image three equal channels would be one of the kernels' sum.
        if (part == "stem.conv" && source.defined() && source.dim() == 4 && source.size(1) == 3 &&
            each.tensor.size(1) == 1) {
            source = source.sum(1, /*keepdim=*/true);
            out.is_stem_summed = true;
        }
        const bool fits = source.defined() && source.sizes() == each.tensor.sizes();
        if (!fits && source.defined() && !is_head)
            throw Error(Fault::data,
                        "init.file: tensor " + theirs + "." + last + " has another shape than " + each.name);
        if (fits) each.tensor.detach().copy_(source);
        (fits ? out.taken : out.kept).push_back(each.name);
    }
    out.unused = file.unused();
    return out;
}

}  // namespace trainer
