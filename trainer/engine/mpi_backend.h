#pragma once
#include <mpi.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>

#include <climits>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "core/mpi/comm.h"

namespace trainer {

// PyTorch's collectives over MPI, for dense tensors in main memory. The wheel brings no MPI backend of its
// own. One thread starts what is posted, in order, and completes it: c10d::Reducer waits on futures, so that
// somebody must complete them while the backward pass is still busy. An MPI error ends in the work's
// exception (core::Error, system), and in that of all later work: a communicator that failed is of no more
// use. Reductions know float, double and the integers. bfloat16 and half have no MPI type and are refused
// (autocast keeps parameters and gradients in float32); all else moves any type, as bytes.
class MpiBackend : public c10d::Backend {
public:
    using Work = c10::intrusive_ptr<c10d::Work>;

    // Collective. Larger messages than `largest_count` elements are split: MPI counts are int.
    explicit MpiBackend(const core::Comm& parent, int largest_count = INT_MAX);
    ~MpiBackend() override;  // collective; finishes what is posted

    const std::string getBackendName() const override { return "mpi"; }
    Work allreduce(std::vector<at::Tensor>& tensors, const c10d::AllreduceOptions& options) override;
    Work broadcast(std::vector<at::Tensor>& tensors, const c10d::BroadcastOptions& options) override;
    Work allgather(std::vector<std::vector<at::Tensor>>& outputs, std::vector<at::Tensor>& inputs,
                   const c10d::AllgatherOptions& options) override;
    Work all_gather_single(at::Tensor& output, at::Tensor& input,
                           const c10d::AllgatherOptions& options) override;
    // Equal shares only: split sizes must be empty.
    Work all_to_all_single(at::Tensor& output, at::Tensor& input, std::vector<std::int64_t>& output_splits,
                           std::vector<std::int64_t>& input_splits,
                           const c10d::AllToAllOptions& options) override;
    Work barrier(const c10d::BarrierOptions& options) override;

private:
    class Pending;  // c10d::Work with a future
    struct Item;
    using Start = std::function<void(std::vector<MPI_Request>&)>;  // throws core::Error

    Work post(c10d::OpType op, std::vector<at::Tensor> results, Start start,
              std::function<void()> finish = {});
    void complete_all();  // the thread
    void fail(Item& item, std::exception_ptr why);

    core::Comm comm_;
    int largest_count_;
    std::mutex mutex_;
    std::condition_variable posted_;
    std::deque<Item> queue_;
    bool stopping_ = false;
    std::exception_ptr failed_;  // touched by the thread only
    std::thread thread_;
};

}  // namespace trainer
