#pragma once
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/base/config.h"
#include "trainer/engine/owners.h"
#include "trainer/model/model.h"

namespace trainer {

struct OptimizerKind;

// [optimizer] of a recipe. Each optimizer (optimizers.h) has defaults of its own, and knows some of these keys.
struct OptimizerOptions {
    std::string name = "adamw";
    double rate = 1e-3;
    double weight_decay = 0.01;                         // of weights; never of biases and norms
    double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  // of the moments
    double momentum = 0.9;
    bool nesterov = false;
    double clip = 1;  // largest norm of all gradients together; 0: as they are
    // Parts of the model (names of parameters, or what stands before a dot in them) with a rate of their own, a multiple of
    // the others'; 0: they stay as they are. Of several that fit the longest counts.
    struct Layer {
        std::string part;
        double rate;
    };
    std::vector<Layer> layers;

    static OptimizerOptions from(const core::Config& options);  // throws Error(usage)
    nlohmann::ordered_json told() const;                        // for the identity of a run
};

// Bytes that an optimizer remembers of each parameter; none of those that it leaves as they are. Throws as Optimizer does.
std::vector<std::int64_t> remembered_bytes(const std::vector<NamedTensor>& parameters,
                                           const OptimizerOptions& options);

// Parameters with the same decay that this rank moves, and what an optimizer remembers of each.
struct ParameterGroup {
    double weight_decay;
    double rate;         // a multiple of the optimizer's
    bool is_of_weights;  // matrices and kernels; else biases and norms
    std::vector<at::Tensor> parameters;
    std::vector<std::vector<at::Tensor>>
        state;  // [OptimizerKind::state][parameter], laid out as the parameter
};

// Moves a model's parameters, as lists of tensors: a few launches on a GPU. What it remembers is plain named tensors, so
// that a checkpoint holds it like the model's: PARAMETER.first, PARAMETER.second.
class Optimizer {
public:
    // Those whose rate is 0 need no gradients from now on. Throws Error(usage) if a part of `layers` is none of theirs, or
    // nothing is left to move. With `owners` each rank remembers and moves what is its own.
    Optimizer(const std::vector<NamedTensor>& parameters, const OptimizerOptions& options,
              const Owners* owners = nullptr);

    // Clips the gradients and moves the parameters, if `may(norm)` says so; else all is as before. Returns
    // the norm before clipping. Nothing moves by a norm that is not finite. With owners it is collective: gradients, and
    // what `may` says, must be alike on all ranks.
    double step(double rate, const std::function<bool(double norm)>& may = {});

    // Besides the number of steps taken. What is another rank's is Owners::elsewhere.
    const std::vector<NamedTensor>& state() const noexcept { return state_.tensors; }
    const Spread& spread() const noexcept { return state_; }
    std::int64_t steps() const noexcept { return steps_; }  // those in which they moved
    void set_steps(std::int64_t steps) noexcept { steps_ = steps; }

private:
    OptimizerOptions options_;
    const OptimizerKind& kind_;
    const Owners* owners_;
    std::vector<ParameterGroup> groups_;
    std::vector<std::vector<Owners::Owned>> moved_;  // of each group, on whichever rank
    Spread state_;
    std::int64_t steps_ = 0;
};

}  // namespace trainer
