// The one file that includes Reducer's header: it is not a stable interface.
#include <torch/csrc/distributed/c10d/comm.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <algorithm>

#include "core/base/error.h"
#include "trainer/engine/gradients.h"

namespace trainer {
namespace {

class Overlapped final : public Gradients {
public:
    Overlapped(std::vector<at::Tensor> parameters, std::vector<at::Tensor> buffers,
               c10::intrusive_ptr<c10d::ProcessGroup> group, int micro_batches_per_rank)
        : parameters_(std::move(parameters)), loss_scale_(1.0 / micro_batches_per_rank) {
        c10d::verify_params_across_processes(group, parameters_, {});
        std::vector<at::Tensor> state;
        for (const auto& tensor : parameters_) state.push_back(tensor.detach());
        for (const auto& tensor : buffers) state.push_back(tensor.detach());
        constexpr std::size_t kBroadcastBytes = 250 << 20;  // as Python's DistributedDataParallel
        c10d::broadcast_coalesced(group, state, kBroadcastBytes, 0);

        // A small first bucket, so that reducing starts early; backward meets parameters in reverse order.
        constexpr auto kFirst = c10d::kDefaultFirstBucketBytes;
        constexpr auto kOther = c10d::kDefaultBucketBytesCap;
        const std::vector<bool> none_sparse(parameters_.size(), false);
        auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(
            parameters_, {std::size_t{kFirst}, std::size_t{kOther}}, none_sparse));
        std::reverse(buckets.begin(), buckets.end());
        reducer_ = std::make_unique<c10d::Reducer>(
            parameters_, buckets, std::move(group), none_sparse, kOther, /*find_unused_parameters=*/false,
            /*gradient_as_bucket_view=*/true, std::unordered_map<std::size_t, std::string>{}, kFirst,
            /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false,
            std::vector<std::int64_t>{});
    }

    double loss_scale() const override { return loss_scale_; }
    void before_forward(Last last) override {
        if (fresh_)  // zeroing in place is not allowed on views of buckets
            for (auto& parameter : parameters_) parameter.mutable_grad().reset();
        fresh_ = false;
        if (last == Last::no) return;
        reducer_->rebuild_buckets();
        reducer_->prepare_for_forward();
    }
    void before_backward(Last last) override {
        if (last == Last::yes) reducer_->prepare_for_backward({});
    }
    void after_backward() override {}
    void finish() override { fresh_ = true; }  // backward itself waited for the buckets

private:
    std::vector<at::Tensor> parameters_;
    std::unique_ptr<c10d::Reducer> reducer_;
    double loss_scale_;
    bool fresh_ = true;
};

}  // namespace

std::unique_ptr<Gradients> overlapped_gradients(std::vector<at::Tensor> parameters,
                                                std::vector<at::Tensor> buffers,
                                                c10::intrusive_ptr<c10d::ProcessGroup> group,
                                                int micro_batches_per_rank) {
    return std::make_unique<Overlapped>(std::move(parameters), std::move(buffers), std::move(group),
                                        micro_batches_per_rank);
}

}  // namespace trainer
