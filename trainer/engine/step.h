#pragma once
#include <cstdint>
#include <functional>

#include "trainer/engine/gradients.h"
#include "trainer/engine/optimizer.h"
#include "trainer/task/task.h"

namespace trainer {

// Of matrix products and convolutions; all else is float32, but for norms, sums and pooling between them, which on a GPU
// read and write bfloat16 where that is asked for. tf32: float32 with 10 bits of mantissa, on GPUs that have it (Ampere
// and later); elsewhere float32. bf16: bfloat16 (autocast).
enum class Precision { float32, tf32, bf16 };

struct StepOptions {
    std::uint64_t seed = 0;          // of dropout: a function of (seed, step, micro-batch), never of the rank
    std::int64_t micro_batches = 1;  // of this rank
    std::int64_t first_micro_batch = 0;  // of this rank, counted over all ranks
    Precision precision = Precision::float32;
};

// What becomes of a micro-batch before the model is trained by it: `inputs` and `targets`, [n, ...] each, on the model's
// device, the rows from `first` on of this rank's share. Leaves as many.
using Alter = std::function<void(at::Tensor& inputs, at::Tensor& targets, std::int64_t first)>;

// One update of the model from one batch: forward and backward pass over this rank's micro-batches, gradients
// of all ranks made one, the optimizer's move.
class Step {
public:
    Step(Model& model, const Task& task, Optimizer& optimizer, Gradients& gradients, StepOptions options)
        : model_(model), task_(task), optimizer_(optimizer), gradients_(gradients), options_(options) {}

    // `inputs` [n, ...] and `targets` [n, ...] (Task::target): this rank's share of step `step`, the same n on every rank
    // and a multiple of micro_batches. False if `go_on`, which is asked before each micro-batch and answers
    // alike on all ranks, said no: model and optimizer are then as before the step. A GPU is not waited for.
    // Throws core::Error: data for a target that is missing or is none, system for what PyTorch reports.
    bool accumulate(const at::Tensor& inputs, const at::Tensor& targets, std::int64_t step,
                    const std::function<bool()>& go_on = {}, const Alter& alter = {});

    struct Outcome {
        double loss, norm;  // mean over this rank's samples; of the gradient, before clipping
    };
    // Moves the parameters if `may`, asked with both, says so. Waits for the GPU, once in a step: its errors
    // come up here.
    Outcome update(double rate, const std::function<bool(double loss, double norm)>& may);

private:
    Model& model_;
    const Task& task_;
    Optimizer& optimizer_;
    Gradients& gradients_;
    StepOptions options_;
    std::int64_t step_ = 0;
    at::Tensor loss_;  // summed over the micro-batches, on the device
};

// Turns autocast on for CPU and GPU while it lives.
class Autocast {
public:
    Autocast(Precision precision, c10::DeviceType device);
    Autocast(const Autocast&) = delete;
    Autocast& operator=(const Autocast&) = delete;
    ~Autocast();

private:
    bool on_;
    c10::DeviceType device_;
};

}  // namespace trainer
