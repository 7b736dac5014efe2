#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/base/config.h"

namespace trainer {

// What a loss is of.
enum class Target {
    classes,  // scores [n, classes], a class of each sample [n] int64; of mixtures a share of each [n, classes] float32
    numbers,  // scores [n, outputs], standardised values [n, outputs]
    masks,    // scores [n, classes, size], a class of each pixel [n, size] uint8
    flags,  // scores [n, outputs] before the logistic function, 0, 1 or NaN (missing) of each [n, outputs]; of mixtures
    // [n, outputs, 2]: what lies between, and how much it weighs
};

// [loss] of a recipe: what is not a key of the loss that is named stays at its default.
struct LossOptions {
    std::string name;            // a row of the table; "": the first one for the target
    double label_smoothing = 0;  // cross_entropy (Szegedy et al. 2016, section 7): 0 to below 1
    double gamma = 2;            // focal (Lin et al. 2017): 0 or more; 0 is cross-entropy
    double delta = 1;            // huber (Huber 1964): in standard deviations, above 0
    double dice_weight = 1;      // dice_cross_entropy: 0 or more
    bool batch_dice =
        false;  // dice_cross_entropy: Dice of all pixels of a micro-batch, in place of each sample's
    std::vector<double>
        class_weights;  // of losses with cross-entropy, focal: of each class, in their order; empty: all 1

    // Reads the keys of the loss that `table` names; another one stays unread, so that finish() refuses it. Throws
    // Error(usage), also for a loss that is not for `target`.
    static LossOptions from(const core::Config& table, Target target);
};

// Whether targets may be mixtures.
bool knows_mixtures(const LossOptions& options);

// The mean over the samples of `scores` [n, ...], 0-dimensional and differentiable: a sum over samples divided by their
// number, whatever weights they have or values they miss, so that batches may be cut into micro-batches anywhere: all but
// batch_dice.
at::Tensor loss_of(const LossOptions& options, const at::Tensor& scores, const at::Tensor& target);

}  // namespace trainer
