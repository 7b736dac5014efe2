#pragma once
// Only where the build has CUDA. Kernels out of a library that is loaded at run time came with CUDA 12.8.
#ifdef USE_C10D_NCCL
#include <cuda_runtime_api.h>
#if CUDART_VERSION >= 12080
#define ALOFT_HAS_KERNELS 1
#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAStream.h>

#include <cstddef>
#include <map>
#include <string>

namespace trainer {

// Our kernels (kernels_source.h) as they are compiled for one kind of GPU and one type, when they are first asked for
// (NVRTC, a second or less).
class GpuKernels {
public:
    // Those for a tensor: images, channels last, float32 or bfloat16, in whole vectors of 16 bytes. Null if they
    // cannot be had for it; that NVRTC does not compile them is the event no_kernels, once.
    static const GpuKernels* of(const at::Tensor& x);

    static constexpr unsigned kThreads = 256;

    template <class... Arguments>
    void launch(const char* name, dim3 grid, dim3 block, std::size_t shared, Arguments... arguments) const {
        void* pointers[] = {&arguments...};
        const cudaError_t error =
            cudaLaunchKernel(reinterpret_cast<const void*>(kernels_.at(name)), grid, block, pointers, shared,
                             c10::cuda::getCurrentCUDAStream().stream());
        TORCH_CHECK(error == cudaSuccess, name, ": ", cudaGetErrorString(error));
    }

private:
    std::string load(const std::string& architecture, bool is_bf16);  // what went wrong, or ""

    std::map<std::string, cudaKernel_t, std::less<>> kernels_;
};

// A tensor as kernels take it; null where there is none.
inline void* address(const at::Tensor& tensor) {
    return tensor.defined() ? tensor.data_ptr() : nullptr;
}

}  // namespace trainer
#endif
#endif
