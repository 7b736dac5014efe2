#include "trainer/model/gpu_kernels.h"

#ifdef ALOFT_HAS_KERNELS
#include <nvrtc.h>

#include <array>
#include <memory>
#include <mutex>
#include <vector>

#include "core/base/event.h"
#include "trainer/model/kernels_source.h"

namespace trainer {
namespace {

std::string compile(const std::string& architecture, bool is_bf16, std::vector<char>& code) {
    nvrtcProgram program = nullptr;
    if (nvrtcCreateProgram(&program, kKernels, "kernels.cu", 0, nullptr, nullptr) != NVRTC_SUCCESS)
        return "NVRTC does not start";
    const std::string target = "--gpu-architecture=" + architecture;
    const std::array options{target.c_str(), is_bf16 ? "-DBF16=1" : "-DBF16=0", "--std=c++17"};
    const nvrtcResult result = nvrtcCompileProgram(program, static_cast<int>(options.size()), options.data());
    std::size_t bytes = 0;
    if (result == NVRTC_SUCCESS && nvrtcGetCUBINSize(program, &bytes) == NVRTC_SUCCESS) {
        code.resize(bytes);
        nvrtcGetCUBIN(program, code.data());
    }
    nvrtcDestroyProgram(&program);
    return bytes > 0 ? "" : std::string(nvrtcGetErrorString(result)) + " for " + architecture;
}

}  // namespace

std::string GpuKernels::load(const std::string& architecture, bool is_bf16) {
    std::vector<char> code;
    if (std::string trouble = compile(architecture, is_bf16, code); !trouble.empty()) return trouble;
    cudaLibrary_t library = nullptr;  // lives as long as the process
    cudaError_t error = cudaLibraryLoadData(&library, code.data(), nullptr, nullptr, 0, nullptr, nullptr, 0);
    for (const char* name :
         {"moments", "join", "apply", "back_sums", "back_join", "back_apply", "pool", "back_pool"})
        if (error == cudaSuccess) error = cudaLibraryGetKernel(&kernels_[name], library, name);
    return error == cudaSuccess ? "" : cudaGetErrorString(error);
}

const GpuKernels* GpuKernels::of(const at::Tensor& x) {
    const bool is_bf16 = x.scalar_type() == at::kBFloat16;
    if (!x.is_cuda() || x.dim() != 4 || (!is_bf16 && x.scalar_type() != at::kFloat) || x.numel() == 0 ||
        x.size(1) % (is_bf16 ? 8 : 4) != 0 || !x.is_contiguous(at::MemoryFormat::ChannelsLast) ||
        reinterpret_cast<std::uintptr_t>(x.data_ptr()) % 16 != 0)
        return nullptr;
    static std::mutex mutex;
    static std::map<std::pair<int, bool>, std::unique_ptr<GpuKernels>> known;
    const std::lock_guard lock(mutex);
    const int device = x.get_device();
    const auto [place, is_new] = known.try_emplace({device, is_bf16});
    if (!is_new) return place->second.get();
    int major = 0, minor = 0;
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
    auto found = std::make_unique<GpuKernels>();
    const std::string trouble = found->load("sm_" + std::to_string(major * 10 + minor), is_bf16);
    if (trouble.empty())
        place->second = std::move(found);
    else
        core::Event("warning", "no_kernels")
            .with("text",
                  "norms and pooling run by PyTorch's own kernels, at about half the speed: " + trouble);
    return place->second.get();
}

}  // namespace trainer
#endif
