#include "trainer/loss/loss.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"

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
    const at::Tensor known = at::isfinite(target);
    const at::Tensor flags = at::where(known, target, at::zeros_like(target)).to(scores.scalar_type());
    return at::binary_cross_entropy_with_logits(scores, flags, known.to(scores.scalar_type()));
}

// Cross-entropy of pixels, and what lacks of soft Dice to 1: of each class but the first, in each sample by itself (the
// batch's, "batch Dice", would depend on how it is cut), the mean over both (Drozdzal et al. 2016, arXiv 1608.04117;
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
    const at::Tensor dice = (2 * (p * is).sum(2) + kSmoothing) / (p.sum(2) + is.sum(2) + kSmoothing);
    return loss + options.dice_weight * (1 - dice.narrow(1, 1, classes - 1).mean());
}

struct Row {
    const char* name;
    Target target;
    bool has_smoothing, has_gamma, has_delta, has_dice, has_weights;
    at::Tensor (*of)(const LossOptions&, const at::Tensor& scores, const at::Tensor& target);
};
// The first one for a target is its default.
constexpr Row kLosses[] = {
    {"cross_entropy", Target::classes, true, false, false, false, true, cross_entropy},
    {"focal", Target::classes, false, true, false, false, true, focal},
    {"huber", Target::numbers, false, false, true, false, false, huber},
    {"mse", Target::numbers, false, false, false, false, false, mse},
    {"bce", Target::flags, false, false, false, false, false, bce},
    {"dice_cross_entropy", Target::masks, false, false, false, true, true, dice_cross_entropy},
};

const Row* row_of(const std::string& name) {
    const auto found = std::find_if(std::begin(kLosses), std::end(kLosses),
                                    [&](const Row& each) { return name == each.name; });
    return found == std::end(kLosses) ? nullptr : found;
}

}  // namespace

LossOptions LossOptions::from(const core::Config& table, Target target) {
    LossOptions out;
    std::string names;
    for (const Row& each : kLosses) {
        if (each.target != target) continue;
        if (out.name.empty()) out.name = each.name;
        names += (names.empty() ? "\"" : ", \"") + std::string(each.name) + '"';
    }
    out.name = table.text_or("name", out.name);
    const Row* row = row_of(out.name);
    if (!row || row->target != target) table.refuse("name", "expected a loss of this task: " + names);
    if (row->has_smoothing) out.label_smoothing = table.number_or("label_smoothing", out.label_smoothing);
    if (row->has_gamma) out.gamma = table.number_or("gamma", out.gamma);
    if (row->has_delta) out.delta = table.number_or("delta", out.delta);
    if (row->has_dice) out.dice_weight = table.number_or("dice_weight", out.dice_weight);
    if (row->has_weights) out.class_weights = table.numbers("class_weights");
    if (!(out.label_smoothing >= 0 && out.label_smoothing < 1))
        table.refuse("label_smoothing", "expected 0 <= label_smoothing < 1");
    if (!(out.gamma >= 0 && std::isfinite(out.gamma))) table.refuse("gamma", "expected 0 or more");
    if (!(out.delta > 0 && std::isfinite(out.delta))) table.refuse("delta", "expected more than 0");
    if (!(out.dice_weight >= 0 && std::isfinite(out.dice_weight)))
        table.refuse("dice_weight", "expected 0 or more");
    for (const double weight : out.class_weights)
        if (!(weight >= 0 && std::isfinite(weight)))
            table.refuse("class_weights", "expected weights of 0 or more");
    if (!out.class_weights.empty() &&
        *std::max_element(out.class_weights.begin(), out.class_weights.end()) == 0)
        table.refuse("class_weights", "expected one above 0");
    return out;
}

at::Tensor loss_of(const LossOptions& options, const at::Tensor& scores, const at::Tensor& target) {
    const Row* row = row_of(options.name);
    if (!row) throw core::Error(core::Fault::bug, "a loss that is in no row");
    return row->of(options, scores, target);
}

}  // namespace trainer
