#include "trainer/loss/loss.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "trainer/keys/key.h"
#include "trainer/keys/parts.h"

namespace trainer {
namespace {

at::Tensor weights_of(const LossOptions& options, const at::Tensor& scores) {
    if (options.class_weights.empty()) return {};
    return at::tensor(options.class_weights, scores.options());
}

at::Tensor cross_entropy(const LossOptions& options, const at::Tensor& scores, const at::Tensor& target) {
    const at::Tensor weights = weights_of(options, scores);
    if (!weights.defined())
        return at::cross_entropy_loss(scores, target, {}, at::Reduction::Mean, -100, options.label_smoothing);
    // PyTorch's mean divides by the weights of these samples.
    return at::cross_entropy_loss(scores, target, weights, at::Reduction::None, -100, options.label_smoothing)
        .mean();
}

at::Tensor focal(const LossOptions& options, const at::Tensor& scores, const at::Tensor& target) {
    const at::Tensor log_p = at::log_softmax(scores, 1).gather(1, target.unsqueeze(1)).squeeze(1);
    // 1 - p without what float32 loses near 1, and never 0: the power of a gamma below 1 is infinitely steep there.
    const at::Tensor rest = at::clamp_min(-at::expm1(log_p), 1e-8);
    at::Tensor each = -at::pow(rest, options.gamma) * log_p;
    if (const at::Tensor weights = weights_of(options, scores); weights.defined())
        each = each * weights.index_select(0, target);
    return each.mean();
}

at::Tensor mse(const LossOptions&, const at::Tensor& scores, const at::Tensor& target) {
    return at::mse_loss(scores, target.to(scores.scalar_type()));
}

at::Tensor huber(const LossOptions& options, const at::Tensor& scores, const at::Tensor& target) {
    return at::huber_loss(scores, target.to(scores.scalar_type()), at::Reduction::Mean, options.delta);
}

// What is missing adds nothing, to the loss or to any gradient.
at::Tensor bce(const LossOptions&, const at::Tensor& scores, const at::Tensor& target) {
    const bool is_mixed = target.dim() > scores.dim();
    const at::Tensor values = is_mixed ? target.select(-1, 0) : target;
    const at::Tensor known = at::isfinite(values);
    const at::Tensor flags = at::where(known, values, at::zeros_like(values)).to(scores.scalar_type());
    return at::binary_cross_entropy_with_logits(
        scores, flags, (is_mixed ? target.select(-1, 1) : known).to(scores.scalar_type()));
}

// Cross-entropy of pixels, and what lacks of soft Dice to 1: of each class but the first, in each sample by itself, the
// mean over both, or in all of a micro-batch ("batch Dice", nnU-Net's for patches, where a sample seldom has each class) (Drozdzal et al. 2016, arXiv 1608.04117;
// the sum and the smoothing as in nnU-Net, Isensee et al. 2021). By products with the mask of each class: PyTorch's
// cross-entropy of images is not the same each time on a GPU.
at::Tensor dice_cross_entropy(const LossOptions& options, const at::Tensor& scores,
                              const at::Tensor& target) {
    constexpr double kSmoothing = 1e-5;
    const std::int64_t classes = scores.size(1);
    const at::Tensor log_p = at::log_softmax(scores.flatten(2), 1);
    const at::Tensor is =
        (target.flatten(1).unsqueeze(1) == at::arange(classes, target.options()).view({1, classes, 1}))
            .to(log_p.scalar_type());
    at::Tensor right = log_p * is;
    if (const at::Tensor weights = weights_of(options, log_p); weights.defined())
        right = right * weights.view({1, classes, 1});
    const at::Tensor loss = -right.sum(1).mean();
    if (options.dice_weight == 0) return loss;
    const at::Tensor p = at::exp(log_p);
    const std::vector<std::int64_t> over =
        options.batch_dice ? std::vector<std::int64_t>{0, 2} : std::vector<std::int64_t>{2};
    const at::Tensor dice = (2 * (p * is).sum(over) + kSmoothing) / (p.sum(over) + is.sum(over) + kSmoothing);
    return loss + options.dice_weight * (1 - dice.narrow(-1, 1, classes - 1).mean());
}

using L = LossOptions;
// In the order in which the identity of a run tells them.
constexpr Key<L> kKeys[] = {
    {"label_smoothing", &L::label_smoothing, 0, just_below(1), "",
     "share of the target that goes to all classes alike (Szegedy et al. 2016, section 7)"},
    {"gamma", &L::gamma, 0, kFinite, "", "power of what lacks to certainty; 0 is cross-entropy"},
    {"delta", &L::delta, kAboveNothing, kFinite, "standard deviations of the training split",
     "at which squares end and lines begin"},
    {"batch_dice", &L::batch_dice, 0, 1, "",
     "Dice of all pixels of a micro-batch, in place of each sample's; needs train.micro_batches"},
    {"dice_weight", &L::dice_weight, 0, kFinite, "", "of what lacks of Dice to 1; 0 is cross-entropy alone"},
    {"class_weights", &L::class_weights, 0, kFinite, "", "of each class, in their order; none: all alike"},
};

struct Row {
    const char* name;
    Target target;
    const char* meaning;
    std::string_view keys;  // that it knows, apart by blanks
    bool has_mixtures;
    at::Tensor (*of)(const LossOptions&, const at::Tensor& scores, const at::Tensor& target);
};
// The first one for a target is its default.
constexpr Row kLosses[] = {
    {"cross_entropy", Target::classes, "of classes", "label_smoothing class_weights", true, cross_entropy},
    {"focal", Target::classes, "of classes (Lin et al. 2017)", "gamma class_weights", false, focal},
    {"huber", Target::numbers, "of a number (Huber 1964): outliers move it less", "delta", false, huber},
    {"mse", Target::numbers, "of a number: the mean square", "", false, mse},
    {"bce", Target::flags, "of several labels: binary cross-entropy, the mean over all cells", "", true, bce},
    {"dice_cross_entropy", Target::masks,
     "of masks: cross-entropy of pixels, and what lacks of soft Dice to 1 (Drozdzal et al. 2016)",
     "batch_dice dice_weight class_weights", false, dice_cross_entropy},
};

const Row* row_of(const std::string& name) {
    const auto found = std::find_if(std::begin(kLosses), std::end(kLosses),
                                    [&](const Row& each) { return name == each.name; });
    return found == std::end(kLosses) ? nullptr : found;
}

}  // namespace

LossOptions LossOptions::from(const core::Config& table, Target target) {
    LossOptions out;
    std::string all;
    for (const Row& each : kLosses) {
        if (each.target != target) continue;
        if (out.name.empty()) out.name = each.name;
        all += (all.empty() ? "\"" : ", \"") + std::string(each.name) + '"';
    }
    out.name = table.text_or("name", out.name);
    const Row* row = row_of(out.name);
    if (!row || row->target != target) table.refuse("name", "expected a loss of this task: " + all);
    for (const Key<L>& key : kKeys)
        if (names(row->keys, key.name)) read(table, out, key);
    if (!out.class_weights.empty() &&
        *std::max_element(out.class_weights.begin(), out.class_weights.end()) == 0)
        table.refuse("class_weights", "expected one above 0");
    return out;
}

nlohmann::ordered_json told_of(const LossOptions& options) {
    nlohmann::ordered_json out;
    if (options.name != kLosses[0].name) out["name"] = options.name;
    for (const Key<L>& key : kKeys) tell(out, options, L(), key);
    return out;
}

std::vector<KeyRow> loss_rows() {
    std::vector<KeyRow> out;
    for (const Row& each : kLosses) {
        KeyRow name = row("loss.name", {}, each.name, "", each.meaning);
        name.by = "loss.name";
        name.of = {each.name};
        out.push_back(name);
        add_rows(out, "loss", LossOptions(), kKeys, "loss.name", {each.name},
                 [&](std::string_view key) { return names(each.keys, key); });
    }
    return out;
}

bool knows_mixtures(const LossOptions& options) {
    const Row* row = row_of(options.name);
    return row && row->has_mixtures;
}

at::Tensor loss_of(const LossOptions& options, const at::Tensor& scores, const at::Tensor& target) {
    const Row* row = row_of(options.name);
    if (!row) throw core::Error(core::Fault::bug, "a loss that is in no row");
    return row->of(options, scores, target);
}

}  // namespace trainer
