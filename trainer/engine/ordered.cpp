#include <ATen/ATen.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/comm.hpp>

#include "trainer/engine/gradients.h"

namespace trainer {
namespace {

class Ordered final : public Gradients {
public:
    Ordered(std::vector<at::Tensor> parameters, std::vector<at::Tensor> buffers,
            c10::intrusive_ptr<c10d::ProcessGroup> group, int micro_batches_per_rank)
        : parameters_(std::move(parameters)), group_(std::move(group)), mine_(micro_batches_per_rank) {
        std::vector<at::Tensor> state;
        for (const auto& tensor : parameters_) state.push_back(tensor.detach());
        for (const auto& tensor : buffers) state.push_back(tensor.detach());
        for (const auto& tensor : state) {
            std::vector<at::Tensor> one{tensor};
            group_->broadcast(one)->wait();
        }
        std::int64_t count = 0;
        for (const auto& parameter : parameters_) count += parameter.numel();
        const std::int64_t ranks = group_->getSize();
        share_ = (count + ranks - 1) / ranks;
        const auto options = parameters_.at(0).options().requires_grad(false);
        kept_ = at::zeros({mine_, ranks * share_}, options);
        mean_ = at::zeros({ranks * share_}, options);
        std::int64_t at = 0;
        for (const auto& parameter : parameters_) {
            grads_.push_back(mean_.as_strided(parameter.sizes(), parameter.strides(), at));
            at += parameter.numel();
        }
    }

    double loss_scale() const override { return 1; }
    void before_forward(Last) override {
        for (auto& parameter : parameters_) parameter.mutable_grad().reset();
    }
    void before_backward(Last) override {}
    void after_backward() override {
        const at::Tensor row = kept_[done_++];
        std::int64_t at = row.storage_offset();
        for (auto& parameter : parameters_) {
            auto place = row.as_strided(parameter.sizes(), parameter.strides(), at);
            if (parameter.grad().defined())
                place.copy_(parameter.grad());
            else
                place.zero_();
            at += parameter.numel();
        }
    }
    // Reduce-scatter by exchange and ordered sum, then allgather: each rank sums one share of the elements.
    void finish() override {
        done_ = 0;
        const std::int64_t ranks = group_->getSize();
        std::vector<std::int64_t> equal;
        at::Tensor send = kept_.view({mine_, ranks, share_}).transpose(0, 1).contiguous();
        at::Tensor received = at::empty_like(send);
        group_->all_to_all_single(received, send, equal, equal)->wait();
        const at::Tensor rows = received.view({ranks * mine_, share_});  // in the order of their numbers
        at::Tensor sum = rows[0].clone();
        for (std::int64_t row = 1; row < rows.size(0); ++row) sum.add_(rows[row]);
        sum.div_(static_cast<double>(rows.size(0)));
        group_->all_gather_single(mean_, sum)->wait();
        for (std::size_t i = 0; i < parameters_.size(); ++i) parameters_[i].mutable_grad() = grads_[i];
    }

private:
    std::vector<at::Tensor> parameters_;
    c10::intrusive_ptr<c10d::ProcessGroup> group_;
    std::int64_t mine_, share_ = 0, done_ = 0;
    at::Tensor kept_;                // [micro-batches of this rank, ranks x share]
    at::Tensor mean_;                // [ranks x share]
    std::vector<at::Tensor> grads_;  // views of mean_, laid out as the parameters
};

}  // namespace

std::unique_ptr<Gradients> ordered_gradients(std::vector<at::Tensor> parameters,
                                             std::vector<at::Tensor> buffers,
                                             c10::intrusive_ptr<c10d::ProcessGroup> group,
                                             int micro_batches_per_rank) {
    return std::make_unique<Ordered>(std::move(parameters), std::move(buffers), std::move(group),
                                     micro_batches_per_rank);
}

}  // namespace trainer
