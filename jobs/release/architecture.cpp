#include "jobs/release/architecture.h"

#include <algorithm>
#include <cmath>

#include "core/base/config.h"
#include "core/base/error.h"

namespace jobs {

using core::Config;

namespace {

// The trainer's limits allow models of any size; a release need not be able to name more tensors than these.
constexpr std::int64_t kSizeLimit = 1 << 20, kDepthLimit = 32;

struct Input {
    std::vector<std::int64_t> shape;
    std::int64_t classes;
    std::int64_t channels() const { return shape.size() == 2 ? 1 : shape.at(0); }
};

std::string list(const std::vector<std::int64_t>& values) {
    std::string out;
    for (const auto value : values) out += (out.empty() ? "" : ", ") + std::to_string(value);
    return "[" + out + "]";
}

// Two decimals: it matters in training only, and six would be twenty bits that nobody checks.
double dropout_of(const Config& options) {
    const double dropout = options.number_or("dropout", 0);
    if (!(dropout >= 0 && dropout < 1)) options.refuse("dropout", "expected 0 <= dropout < 1");
    return std::min(std::round(dropout * 100) / 100, 0.99);
}

Architecture mlp(const Config& options, const Input& input) {
    std::vector<std::int64_t> widths = options.integers("hidden");
    if (widths.empty()) widths = {64, 32};
    if (static_cast<std::int64_t>(widths.size()) > kDepthLimit) options.refuse("hidden", "too many layers");
    for (const auto width : widths)
        if (width < 1 || width > 65536) options.refuse("hidden", "expected widths of 1 to 65536");
    if (input.shape.size() != 1) options.refuse("name", "mlp takes feature vectors, [features]");
    Architecture out{"mlp",
                     "name = \"mlp\"\nhidden = " + list(widths) +
                         "\ndropout = " + std::to_string(dropout_of(options)) + "\n",
                     {}};
    widths.push_back(input.classes);
    std::int64_t from = input.shape[0];
    for (std::size_t i = 0; i < widths.size(); ++i) {
        const std::string layer = "layer" + std::to_string(i + 1);
        out.tensors.push_back({layer + ".weight", {widths[i], from}});
        out.tensors.push_back({layer + ".bias", {widths[i]}});
        from = widths[i];
    }
    return out;
}

Architecture resnet2d(const Config& options, const Input& input) {
    const std::int64_t width = options.integer_or("width", 16);
    std::vector<std::int64_t> blocks = options.integers("blocks");
    const std::string stem = options.text_or("stem", "small"), kind = options.text_or("norm", "group"),
                      block = options.text_or("block", "basic");
    const bool is_bottleneck = block == "bottleneck";
    if (blocks.empty()) blocks = {1, 1, 1};
    if (width < 8 || width > 1024 || width % 8 != 0)
        options.refuse("width", "expected a multiple of 8, at most 1024");
    if (blocks.size() > 6) options.refuse("blocks", "expected at most 6 stages");
    for (const auto count : blocks)
        if (count < 1 || count > 100) options.refuse("blocks", "expected 1 to 100 blocks in each stage");
    if (stem != "small" && stem != "large") options.refuse("stem", "expected \"small\" or \"large\"");
    if (kind != "group" && kind != "fixed") options.refuse("norm", "expected \"group\" or \"fixed\"");
    if (block != "basic" && !is_bottleneck) options.refuse("block", "expected \"basic\" or \"bottleneck\"");
    if (input.shape.size() != 2 && input.shape.size() != 3)
        options.refuse("name", "resnet2d takes images, [C, H, W] or [H, W]");
    Architecture out{"resnet2d",
                     "name = \"resnet2d\"\nwidth = " + std::to_string(width) + "\nblocks = " + list(blocks) +
                         "\nstem = \"" + stem + (is_bottleneck ? "\"\nblock = \"bottleneck" : "") +
                         (kind == "fixed" ? "\"\nnorm = \"fixed" : "") +
                         "\"\ndropout = " + std::to_string(dropout_of(options)) + "\n",
                     {}};
    const auto conv = [&](const std::string& name, std::int64_t from, std::int64_t to, std::int64_t kernel) {
        out.tensors.push_back({name + ".weight", {to, from, kernel, kernel}});
    };
    const auto norm = [&](const std::string& name, std::int64_t channels) {
        out.tensors.push_back({name + ".weight", {channels}});
        out.tensors.push_back({name + ".bias", {channels}});
    };
    conv("stem.conv", input.channels(), width, stem == "large" ? 7 : 3);
    norm("stem.norm", width);
    std::int64_t from = width;
    for (std::size_t stage = 0; stage < blocks.size(); ++stage) {
        const std::int64_t inner = width << stage, to = inner * (is_bottleneck ? 4 : 1);
        for (std::int64_t i = 0; i < blocks[stage]; ++i) {
            const std::string at = "stage" + std::to_string(stage + 1) + "." + std::to_string(i) + ".";
            conv(at + "conv1", from, inner, is_bottleneck ? 1 : 3);
            norm(at + "norm1", inner);
            conv(at + "conv2", inner, inner, 3);
            norm(at + "norm2", inner);
            if (is_bottleneck) {
                conv(at + "conv3", inner, to, 1);
                norm(at + "norm3", to);
            }
            if ((stage > 0 && i == 0) || from != to) {
                conv(at + "shortcut", from, to, 1);
                if (kind == "fixed") norm(at + "shortcut_norm", to);
            }
            from = to;
        }
    }
    out.tensors.push_back({"head.weight", {input.classes, from}});
    out.tensors.push_back({"head.bias", {input.classes}});
    return out;
}

Architecture densenet(const Config& options, const Input& input, const char* name, std::size_t axes) {
    const std::int64_t width = options.integer_or("width", 64), growth = options.integer_or("growth", 32);
    std::vector<std::int64_t> blocks = options.integers("blocks");
    const std::string stem = options.text_or("stem", "large"), kind = options.text_or("norm", "group");
    if (blocks.empty()) blocks = {6, 12, 24, 16};
    if (width < 8 || width > 1024 || width % 8 != 0)
        options.refuse("width", "expected a multiple of 8, at most 1024");
    if (growth < 8 || growth > 256 || growth % 8 != 0)
        options.refuse("growth", "expected a multiple of 8, at most 256");
    if (blocks.size() > 6) options.refuse("blocks", "expected at most 6 blocks");
    for (const auto count : blocks)
        if (count < 1 || count > 100) options.refuse("blocks", "expected 1 to 100 layers in each block");
    if (stem != "small" && stem != "large") options.refuse("stem", "expected \"small\" or \"large\"");
    if (kind != "group" && kind != "fixed") options.refuse("norm", "expected \"group\" or \"fixed\"");
    const std::size_t rank = input.shape.size();
    if (axes == 3 ? rank != 4 : rank != 2 && rank != 3)
        options.refuse("name", std::string(name) + " takes samples of another shape");
    Architecture out{name,
                     "name = \"" + std::string(name) + "\"\nwidth = " + std::to_string(width) +
                         "\ngrowth = " + std::to_string(growth) + "\nblocks = " + list(blocks) +
                         "\nstem = \"" + stem + (kind == "fixed" ? "\"\nnorm = \"fixed" : "") +
                         "\"\ndropout = " + std::to_string(dropout_of(options)) + "\n",
                     {}};
    const auto conv = [&](const std::string& at, std::int64_t from, std::int64_t to, std::int64_t kernel) {
        std::vector<std::int64_t> shape{to, from};
        shape.resize(axes + 2, kernel);
        out.tensors.push_back({at + ".weight", std::move(shape)});
    };
    const auto norm = [&](const std::string& at, std::int64_t channels) {
        out.tensors.push_back({at + ".weight", {channels}});
        out.tensors.push_back({at + ".bias", {channels}});
    };
    conv("stem.conv", input.channels(), width, stem == "large" ? 7 : 3);
    norm("stem.norm", width);
    std::int64_t from = width;
    for (std::size_t block = 0; block < blocks.size(); ++block) {
        const std::string number = std::to_string(block + 1);
        for (std::int64_t i = 0; i < blocks[block]; ++i, from += growth) {
            const std::string at = "block" + number + "." + std::to_string(i) + ".";
            norm(at + "norm1", from);
            conv(at + "conv1", from, 4 * growth, 1);
            norm(at + "norm2", 4 * growth);
            conv(at + "conv2", 4 * growth, growth, 3);
        }
        if (block + 1 == blocks.size()) break;
        norm("transition" + number + ".norm", from);
        conv("transition" + number + ".conv", from, from / 2, 1);
        from /= 2;
    }
    norm("last.norm", from);
    out.tensors.push_back({"head.weight", {input.classes, from}});
    out.tensors.push_back({"head.bias", {input.classes}});
    return out;
}
Architecture densenet2d(const Config& options, const Input& input) {
    return densenet(options, input, "densenet2d", 2);
}
Architecture densenet3d(const Config& options, const Input& input) {
    return densenet(options, input, "densenet3d", 3);
}

// What differs between the two U-Nets.
struct UNet {
    const char* name;
    std::size_t axes;
    std::int64_t widest;
};

Architecture unet(const Config& options, const Input& input, const UNet& kind) {
    const std::int64_t width = options.integer_or("width", 32);
    std::vector<std::int64_t> blocks = options.integers("blocks");
    const std::string norm = options.text_or("norm", "instance");
    const bool is_deep = options.flag_or("deep_supervision", true);
    if (blocks.empty()) blocks = {1, 2, 2, 2};
    if (width < 8 || width > kind.widest || width % 8 != 0)
        options.refuse("width", "expected a multiple of 8, at most " + std::to_string(kind.widest));
    const std::size_t stages = blocks.size();
    if (stages < 2 || stages > 8) options.refuse("blocks", "expected 2 to 8 stages");
    for (const auto count : blocks)
        if (count < 1 || count > 100) options.refuse("blocks", "expected 1 to 100 blocks in each stage");
    if (norm != "instance" && norm != "group") options.refuse("norm", "expected \"instance\" or \"group\"");
    const std::size_t rank = input.shape.size();
    if (kind.axes == 3 ? rank != 4 : rank != 2 && rank != 3)
        options.refuse("name", std::string(kind.name) + " takes samples of another shape");
    Architecture out{kind.name,
                     "name = \"" + std::string(kind.name) + "\"\nwidth = " + std::to_string(width) +
                         "\nblocks = " + list(blocks) + "\nnorm = \"" + norm +
                         "\"\ndeep_supervision = " + (is_deep ? "true" : "false") + "\n",
                     {}};
    using Sizes = std::vector<std::int64_t>;
    const auto weight = [&](const std::string& name, std::int64_t to, std::int64_t from,
                            const Sizes& kernel) {
        Sizes shape{to, from};
        shape.insert(shape.end(), kernel.begin(), kernel.end());
        out.tensors.push_back({name + ".weight", std::move(shape)});
    };
    const auto conv = [&](const std::string& name, std::int64_t from, std::int64_t to) {
        weight(name + ".conv", to, from, Sizes(kind.axes, 3));
        out.tensors.push_back({name + ".norm.weight", {to}});
        out.tensors.push_back({name + ".norm.bias", {to}});
    };
    const auto width_of = [&](std::size_t stage) { return std::min(width << stage, kind.widest); };
    const Sizes one(kind.axes, 1);
    Sizes size(input.shape.end() - static_cast<std::ptrdiff_t>(kind.axes), input.shape.end());
    std::vector<Sizes> strides{one};  // by what each stage goes down: an axis below 8 is not halved
    conv("stem", input.channels(), width);
    std::int64_t from = width;
    for (std::size_t stage = 0; stage < stages; ++stage) {
        if (stage > 0) {
            strides.push_back(one);
            for (std::size_t axis = 0; axis < kind.axes; ++axis) {
                if (size[axis] < 8) continue;
                strides.back()[axis] = 2;
                size[axis] = (size[axis] + 1) / 2;
            }
            if (strides.back() == one)
                options.refuse("blocks", "samples of this size have no room for as many stages");
        }
        const std::int64_t to = width_of(stage);
        for (std::int64_t i = 0; i < blocks[stage]; ++i) {
            const std::string at = "encoder" + std::to_string(stage + 1) + "." + std::to_string(i) + ".";
            conv(at + "1", from, to);
            conv(at + "2", to, to);
            if (stage > 0 && i == 0) weight(at + "shortcut", to, from, one);
            from = to;
        }
    }
    for (std::size_t stage = stages - 1; stage-- > 0;) {
        const std::int64_t to = width_of(stage);
        const std::string number = std::to_string(stage + 1);
        weight("decoder" + number + ".up", from, to, strides[stage + 1]);
        conv("decoder" + number + ".join", 2 * to, to);
        if (stage == 0 || (is_deep && stage + 2 < stages)) {
            weight("head" + number, input.classes, to, one);
            out.tensors.push_back({"head" + number + ".bias", {input.classes}});
        }
        from = to;
    }
    return out;
}
Architecture unet2d(const Config& options, const Input& input) {
    return unet(options, input, {"unet2d", 2, 512});
}
Architecture unet3d(const Config& options, const Input& input) {
    return unet(options, input, {"unet3d", 3, 320});
}

struct Row {
    const char* name;
    bool is_dense;  // scores of each pixel, for the task segmentation and no other
    Architecture (*make)(const Config& options, const Input& input);
};
constexpr Row kArchitectures[] = {{"mlp", false, mlp},
                                  {"resnet2d", false, resnet2d},
                                  {"densenet2d", false, densenet2d},
                                  {"densenet3d", false, densenet3d},
                                  {"unet2d", true, unet2d},
                                  {"unet3d", true, unet3d}};
constexpr std::string_view kTasks[] = {"regression", "multilabel", "segmentation"};

}  // namespace

Architecture architecture_of(const std::string& model, const std::vector<std::int64_t>& shape,
                             std::int64_t classes, const std::string& task) {
    const auto refuse = [](const std::string& text) { throw core::Error(core::Fault::refused, text); };
    if (shape.empty() || shape.size() > 4 ||
        std::any_of(shape.begin(), shape.end(), [](auto size) { return size < 1 || size > kSizeLimit; }))
        refuse("aloft.shape is not the shape of a sample: one to four sizes");
    if (!task.empty() && std::find(std::begin(kTasks), std::end(kTasks), task) == std::end(kTasks))
        refuse("aloft.task is not one of those that are registered (regression, multilabel, segmentation)");
    if (classes < 1 || classes > 100000) refuse("aloft.classes does not list the model's classes");
    try {
        const Config options = Config::parse(model, "aloft.model");
        const std::string name = options.text("name");
        const auto row = std::find_if(std::begin(kArchitectures), std::end(kArchitectures),
                                      [&](const Row& each) { return name == each.name; });
        if (row == std::end(kArchitectures)) {
            std::string known;
            for (const Row& each : kArchitectures)
                known += (known.empty() ? "" : ", ") + std::string(each.name);
            refuse("its architecture is none of those that are registered (" + known +
                   "); another one must be registered before its weights can leave");
        }
        if (row->is_dense != (task == "segmentation"))
            refuse("its architecture is for another task than aloft.task");
        const Input input{shape, classes};
        Architecture out = row->make(options, input);
        options.finish();
        // As broadcast over images: [C, 1, 1].
        std::vector<std::int64_t> standard{input.channels()};
        standard.resize(shape.size() == 2 ? 3 : shape.size(), 1);
        out.tensors.push_back({"input.mean", standard, Grid::of_scale});
        out.tensors.push_back({"input.scale", standard});
        if (task == "regression") {  // values in units of their own
            out.tensors.push_back({"output.mean", {classes}, Grid::of_scale});
            out.tensors.push_back({"output.scale", {classes}});
        }
        std::sort(out.tensors.begin(), out.tensors.end(),
                  [](const TensorRule& a, const TensorRule& b) { return a.name < b.name; });
        return out;
    } catch (const core::Error& e) {
        if (e.fault() == core::Fault::refused) throw;
        throw core::Error(core::Fault::refused, e.what());
    }
}

}  // namespace jobs
