#include "trainer/engine/mpi_backend.h"

#include "trainer/engine/watch.h"

#include <algorithm>
#include <chrono>

namespace trainer {
namespace {

using core::check_mpi;
using core::Error;
using core::Fault;

void require_dense_cpu(const at::Tensor& tensor) {
    if (!tensor.is_cpu() || !tensor.is_non_overlapping_and_dense())
        throw Error(Fault::bug, "MPI backend: a tensor is not dense in main memory");
}

at::Tensor only(const std::vector<at::Tensor>& tensors) {
    if (tensors.size() != 1) throw Error(Fault::bug, "MPI backend: one tensor per call");
    require_dense_cpu(tensors[0]);
    return tensors[0];
}

MPI_Datatype reducible_type(const at::Tensor& tensor) {
    switch (tensor.scalar_type()) {
        case at::kFloat:
            return MPI_FLOAT;
        case at::kDouble:
            return MPI_DOUBLE;
        case at::kInt:
            return MPI_INT32_T;
        case at::kLong:
            return MPI_INT64_T;
        case at::kByte:
            return MPI_UINT8_T;
        case at::kChar:
            return MPI_INT8_T;
        default:
            throw Error(Fault::usage, std::string("MPI cannot reduce tensors of type ") +
                                          c10::toString(tensor.scalar_type()) +
                                          ": keep parameters in float32 (autocast does) or use a GPU");
    }
}

MPI_Op reduction(const c10d::ReduceOp& op) {
    switch (op.op_) {
        case c10d::ReduceOp::SUM:
            return MPI_SUM;
        case c10d::ReduceOp::MIN:
            return MPI_MIN;
        case c10d::ReduceOp::MAX:
            return MPI_MAX;
        case c10d::ReduceOp::PRODUCT:
            return MPI_PROD;
        default:
            throw Error(Fault::bug, "MPI backend: a reduction that MPI does not have");
    }
}

// `bytes` bytes as one element, whatever their number: blocks of `largest`, and the rest.
class Span {
public:
    Span(std::int64_t bytes, int largest) {
        if (bytes <= largest) {
            count_ = static_cast<int>(bytes);
            return;
        }
        const auto blocks = static_cast<int>(bytes / largest);
        const auto rest = static_cast<int>(bytes % largest);
        MPI_Datatype many = MPI_DATATYPE_NULL;
        check_mpi(MPI_Type_vector(blocks, largest, largest, MPI_BYTE, &many), "describe a large message");
        const int lengths[] = {1, rest};
        const MPI_Aint places[] = {0, static_cast<MPI_Aint>(blocks) * largest};
        const MPI_Datatype types[] = {many, MPI_BYTE};
        check_mpi(MPI_Type_create_struct(2, lengths, places, types, &type_), "describe a large message");
        check_mpi(MPI_Type_commit(&type_), "describe a large message");
        MPI_Type_free(&many);
        owned_ = true;
    }
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;
    ~Span() {
        if (owned_) MPI_Type_free(&type_);  // MPI keeps it until pending communication is done
    }
    int count() const { return count_; }
    MPI_Datatype type() const { return type_; }

private:
    int count_ = 1;
    MPI_Datatype type_ = MPI_BYTE;
    bool owned_ = false;
};

}  // namespace

class MpiBackend::Pending : public c10d::Work {
public:
    Pending(int rank, c10d::OpType op, std::vector<at::Tensor> results)
        : c10d::Work(rank, op),
          results_(std::move(results)),
          future_(c10::make_intrusive<c10::ivalue::Future>(c10::ListType::create(c10::TensorType::get()))) {}
    bool isCompleted() override { return future_->completed(); }
    bool isSuccess() const override { return future_->completed() && !future_->hasError(); }
    bool wait(std::chrono::milliseconds) override {
        future_->wait();
        if (future_->hasError()) std::rethrow_exception(future_->exception_ptr());
        return true;
    }
    std::vector<at::Tensor> result() override { return results_; }
    c10::intrusive_ptr<c10::ivalue::Future> getFuture() override { return future_; }
    void succeed() { future_->markCompleted(c10::IValue(results_)); }
    void fail(std::exception_ptr why) { future_->setError(std::move(why)); }

private:
    std::vector<at::Tensor> results_;
    c10::intrusive_ptr<c10::ivalue::Future> future_;
};

struct MpiBackend::Item {
    Start start;
    std::function<void()> finish;
    c10::intrusive_ptr<Pending> work;
    std::vector<MPI_Request> requests;
};

MpiBackend::MpiBackend(const core::Comm& parent, int largest_count)
    : Backend(parent.rank(), parent.size()), comm_(parent.get()), largest_count_(largest_count) {
    thread_ = std::thread([this] { complete_all(); });
}

MpiBackend::~MpiBackend() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    posted_.notify_one();
    thread_.join();
}

MpiBackend::Work MpiBackend::allreduce(std::vector<at::Tensor>& tensors,
                                       const c10d::AllreduceOptions& options) {
    const at::Tensor tensor = only(tensors);
    const MPI_Datatype type = reducible_type(tensor);
    const MPI_Op op = reduction(options.reduceOp);
    return post(c10d::OpType::ALLREDUCE, tensors, [=, this](std::vector<MPI_Request>& requests) {
        auto* data = static_cast<char*>(tensor.data_ptr());
        const std::int64_t count = tensor.numel();
        const auto element_bytes = static_cast<std::int64_t>(tensor.element_size());
        for (std::int64_t at = 0; at < count; at += largest_count_) {
            const auto part = static_cast<int>(std::min<std::int64_t>(count - at, largest_count_));
            requests.push_back(MPI_REQUEST_NULL);
            check_mpi(MPI_Iallreduce(MPI_IN_PLACE, data + at * element_bytes, part, type, op, comm_.get(),
                                     &requests.back()),
                      "reduce a tensor");
        }
    });
}

MpiBackend::Work MpiBackend::broadcast(std::vector<at::Tensor>& tensors,
                                       const c10d::BroadcastOptions& options) {
    const at::Tensor tensor = only(tensors);
    const auto root = static_cast<int>(options.rootRank);
    return post(c10d::OpType::BROADCAST, tensors, [=, this](std::vector<MPI_Request>& requests) {
        const Span span(static_cast<std::int64_t>(tensor.nbytes()), largest_count_);
        requests.push_back(MPI_REQUEST_NULL);
        check_mpi(
            MPI_Ibcast(tensor.data_ptr(), span.count(), span.type(), root, comm_.get(), &requests.back()),
            "broadcast a tensor");
    });
}

MpiBackend::Work MpiBackend::all_gather_single(at::Tensor& output, at::Tensor& input,
                                               const c10d::AllgatherOptions&) {
    require_dense_cpu(output);
    require_dense_cpu(input);
    if (output.nbytes() != input.nbytes() * static_cast<std::size_t>(getSize()))
        throw Error(Fault::bug, "MPI backend: allgather needs room for every rank's tensor");
    return post(c10d::OpType::_ALLGATHER_BASE, {output},
                [=, this, out = output, in = input](std::vector<MPI_Request>& requests) {
                    const Span span(static_cast<std::int64_t>(in.nbytes()), largest_count_);
                    requests.push_back(MPI_REQUEST_NULL);
                    check_mpi(MPI_Iallgather(in.data_ptr(), span.count(), span.type(), out.data_ptr(),
                                             span.count(), span.type(), comm_.get(), &requests.back()),
                              "gather tensors");
                });
}

MpiBackend::Work MpiBackend::allgather(std::vector<std::vector<at::Tensor>>& outputs,
                                       std::vector<at::Tensor>& inputs, const c10d::AllgatherOptions&) {
    const at::Tensor in = only(inputs);
    const std::vector<at::Tensor> out = outputs.at(0);
    const at::Tensor flat = at::empty({getSize(), in.numel()}, in.options());
    return post(
        c10d::OpType::ALLGATHER, out,
        [=, this](std::vector<MPI_Request>& requests) {
            const Span span(static_cast<std::int64_t>(in.nbytes()), largest_count_);
            requests.push_back(MPI_REQUEST_NULL);
            check_mpi(MPI_Iallgather(in.data_ptr(), span.count(), span.type(), flat.data_ptr(), span.count(),
                                     span.type(), comm_.get(), &requests.back()),
                      "gather tensors");
        },
        [flat, out] {
            for (std::size_t rank = 0; rank < out.size(); ++rank)
                out[rank].copy_(flat[static_cast<std::int64_t>(rank)].view(out[rank].sizes()));
        });
}

MpiBackend::Work MpiBackend::all_to_all_single(at::Tensor& output, at::Tensor& input,
                                               std::vector<std::int64_t>& output_splits,
                                               std::vector<std::int64_t>& input_splits,
                                               const c10d::AllToAllOptions&) {
    require_dense_cpu(output);
    require_dense_cpu(input);
    if (!output_splits.empty() || !input_splits.empty() || output.nbytes() != input.nbytes() ||
        input.numel() % getSize() != 0)
        throw Error(Fault::bug, "MPI backend: alltoall exchanges equal shares only");
    return post(c10d::OpType::ALLTOALL_BASE, {output},
                [=, this, out = output, in = input](std::vector<MPI_Request>& requests) {
                    const Span span(static_cast<std::int64_t>(in.nbytes()) / getSize(), largest_count_);
                    requests.push_back(MPI_REQUEST_NULL);
                    check_mpi(MPI_Ialltoall(in.data_ptr(), span.count(), span.type(), out.data_ptr(),
                                            span.count(), span.type(), comm_.get(), &requests.back()),
                              "exchange tensors");
                });
}

MpiBackend::Work MpiBackend::barrier(const c10d::BarrierOptions&) {
    return post(c10d::OpType::BARRIER, {}, [this](std::vector<MPI_Request>& requests) {
        requests.push_back(MPI_REQUEST_NULL);
        check_mpi(MPI_Ibarrier(comm_.get(), &requests.back()), "wait for all ranks");
    });
}

MpiBackend::Work MpiBackend::post(c10d::OpType op, std::vector<at::Tensor> results, Start start,
                                  std::function<void()> finish) {
    Watch::tick();
    auto work = c10::make_intrusive<Pending>(getRank(), op, std::move(results));
    {
        const std::lock_guard lock(mutex_);
        queue_.push_back({std::move(start), std::move(finish), work, {}});
    }
    posted_.notify_one();
    return work;
}

void MpiBackend::fail(Item& item, std::exception_ptr why) {
    if (!failed_) failed_ = why;
    item.work->fail(std::move(why));
}

void MpiBackend::complete_all() {
    // Between tests the thread gives its core away: there are often more ranks than cores.
    constexpr std::chrono::microseconds kPause{20};
    std::deque<Item> active;
    for (;;) {
        std::deque<Item> fresh;
        {
            std::unique_lock lock(mutex_);
            const auto ready = [this] { return stopping_ || !queue_.empty(); };
            if (active.empty())
                posted_.wait(lock, ready);
            else
                posted_.wait_for(lock, kPause, ready);
            if (stopping_ && queue_.empty() && active.empty()) return;
            fresh.swap(queue_);
        }
        for (Item& item : fresh) {
            if (failed_) {
                item.work->fail(failed_);
                continue;
            }
            try {
                item.start(item.requests);
                active.push_back(std::move(item));
            } catch (...) {
                fail(item, std::current_exception());
            }
        }
        for (auto item = active.begin(); item != active.end();) {
            int done = 0;
            try {
                check_mpi(MPI_Testall(static_cast<int>(item->requests.size()), item->requests.data(), &done,
                                      MPI_STATUSES_IGNORE),
                          "complete a collective");
                if (done && item->finish) item->finish();
            } catch (...) {
                fail(*item, std::current_exception());
                item = active.erase(item);
                continue;
            }
            if (!done) {
                ++item;
                continue;
            }
            item->work->succeed();
            item = active.erase(item);
        }
    }
}

}  // namespace trainer
