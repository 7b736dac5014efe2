#include "trainer/engine/upload.h"

#include <ATen/ATen.h>

#ifdef USE_C10D_NCCL
#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <atomic>
#include <deque>

#include "core/base/event.h"
#include "trainer/engine/torch_error.h"
#endif

namespace trainer {

#ifdef USE_C10D_NCCL
struct Upload::Stream {
    c10::cuda::CUDAStream side;
    struct Copy {
        at::Tensor from;
        at::cuda::CUDAEvent done;
    };
    std::deque<Copy> copies;  // oldest first

    explicit Stream(c10::Device device)
        : side(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device.index())) {}
};

Upload::Upload(c10::Device device) {
    if (device.is_cuda()) stream_ = std::make_unique<Stream>(device);
}

Upload::~Upload() {
    if (!stream_) return;
    try {
        for (Stream::Copy& copy : stream_->copies) copy.done.synchronize();
    } catch (const c10::Error&) {  // a GPU that failed copies no more
    }
}

MemoryHook Upload::memory_hook() const {
    if (!stream_) return {};
    return [device = stream_->side.device_index()](void* begin, std::size_t bytes) -> std::shared_ptr<void> {
        static std::atomic<bool> told = false;
        const c10::cuda::CUDAGuard guard(device);
        if (cudaHostRegister(begin, bytes, cudaHostRegisterPortable) == cudaSuccess)
            return {begin, [](void* p) { cudaHostUnregister(p); }};
        cudaGetLastError();
        if (!told.exchange(true))
            core::Event("warning", "not_pinned")
                .with("text", "cannot lock the pages of batches (ulimit -l?): copies to the GPU wait for it");
        return nullptr;
    };
}

void Upload::begin(Batch& batch) {
    if (!stream_ || batch.valid == 0) return;
    with_torch_errors("copy a batch to the GPU", [&] {
        auto& copies = stream_->copies;
        while (!copies.empty() && copies.front().done.query()) copies.pop_front();
        const c10::cuda::CUDAStreamGuard guard(stream_->side);
        auto& copy = copies.emplace_back();
        copy.from = std::move(batch.inputs);
        batch.inputs = copy.from.to(stream_->side.device(), copy.from.scalar_type(), /*non_blocking=*/true,
                                    /*copy=*/true);
        copy.done.record(stream_->side);
    });
}

void Upload::arrived(const Batch& batch) {
    if (!stream_ || batch.valid == 0) return;
    with_torch_errors("copy a batch to the GPU", [&] {
        const auto compute = c10::cuda::getCurrentCUDAStream(stream_->side.device_index());
        if (!stream_->copies.empty()) stream_->copies.back().done.block(compute);
        batch.inputs.record_stream(compute);  // its memory may be given out again only after that
    });
}
#else
struct Upload::Stream {};
Upload::Upload(c10::Device) {}
Upload::~Upload() = default;
MemoryHook Upload::memory_hook() const {
    return {};
}
void Upload::begin(Batch&) {}
void Upload::arrived(const Batch&) {}
#endif

}  // namespace trainer
