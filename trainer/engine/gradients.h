#pragma once
#include <ATen/core/Tensor.h>
#include <c10/util/intrusive_ptr.h>

#include <memory>
#include <vector>

namespace c10d {
class ProcessGroup;
}

namespace trainer {

enum class Last { no, yes };  // is this the last micro-batch before an update?

// How the gradients of all ranks become their mean. Per update: for each of this rank's micro-batches (the
// same number on every rank), before_forward, before_backward and after_backward; then finish. Each
// micro-batch's loss is the mean over its samples times `loss_scale`.
class Gradients {
public:
    virtual ~Gradients() = default;
    virtual double loss_scale() const = 0;
    virtual void before_forward(Last last) = 0;
    virtual void before_backward(Last last) = 0;
    virtual void after_backward() = 0;
    // Every parameter's grad() holds the mean over all samples of all ranks. Throws core::Error.
    virtual void finish() = 0;
};

// PyTorch's own engine (c10d::Reducer): buckets are reduced while the backward pass is still running. Equal
// on all ranks bit by bit, but the last bits depend on their number. Collective to make; broadcasts rank 0's
// parameters and buffers.
std::unique_ptr<Gradients> overlapped_gradients(std::vector<at::Tensor> parameters,
                                                std::vector<at::Tensor> buffers,
                                                c10::intrusive_ptr<c10d::ProcessGroup> group,
                                                int micro_batches_per_rank);

// The same bits for any number of ranks: micro-batches are numbered over all ranks (rank 0's first), their
// gradients kept apart, and summed in the order of their numbers. Costs memory for a gradient per micro-batch
// of this rank, and no overlap. Broadcasts as above.
std::unique_ptr<Gradients> ordered_gradients(std::vector<at::Tensor> parameters,
                                             std::vector<at::Tensor> buffers,
                                             c10::intrusive_ptr<c10d::ProcessGroup> group,
                                             int micro_batches_per_rank);

}  // namespace trainer
