#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/base/config.h"
#include "trainer/model/model.h"

namespace trainer {

// [optimizer] of a recipe.
struct OptimizerOptions {
    enum class Kind { adamw, sgd };
    Kind kind = Kind::adamw;
    double rate = 1e-3;
    double weight_decay = 0.01;                         // of weights; never of biases and norms
    double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  // adamw
    double momentum = 0.9;                              // sgd
    double clip = 1;  // largest norm of all gradients together; 0: as they are

    static OptimizerOptions from(const core::Config& options);  // throws Error(usage)
};

// AdamW (Loshchilov and Hutter 2019) or SGD with momentum, as PyTorch's fused kernels compute them. The state
// is plain named tensors, so that a checkpoint holds it like the model's.
class Optimizer {
public:
    Optimizer(const std::vector<NamedTensor>& parameters, const OptimizerOptions& options);

    // Clips the gradients and moves the parameters, if `may(norm)` says so; else all is as before. Returns
    // the norm before clipping. Nothing moves by a norm that is not finite.
    double step(double rate, const std::function<bool(double norm)>& may = {});

    std::vector<NamedTensor> state() const;                 // besides the number of steps taken
    std::int64_t steps() const noexcept { return steps_; }  // those in which they moved
    void set_steps(std::int64_t steps) noexcept { steps_ = steps; }

private:
    struct Group {  // with and without weight decay
        double weight_decay;
        std::vector<at::Tensor> parameters, first, second;  // moments; sgd: first is the momentum
    };
    void move(Group& group, const std::vector<at::Tensor>& gradients, double rate);

    OptimizerOptions options_;
    std::vector<Group> groups_;
    std::vector<NamedTensor> state_;
    std::int64_t steps_ = 0;
};

}  // namespace trainer
