#include "trainer/model/max_pool.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <climits>

#include "trainer/model/gpu_kernels.h"

#ifdef ALOFT_HAS_KERNELS
#include <c10/cuda/CUDAGuard.h>
#endif

namespace trainer {
namespace {

at::Tensor composed_max_pool(const at::Tensor& x) {
    return at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
}

#ifdef ALOFT_HAS_KERNELS
using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// A kernel over all vectors of `over` [N, C, H, W]; what stands in `images` and `pooled` tells the sizes.
template <class... Arguments>
void launch(const char* name, const at::Tensor& over, const at::Tensor& images, const at::Tensor& pooled,
            Arguments... arguments) {
    const c10::cuda::CUDAGuard guard(images.device());
    const auto size = [](const at::Tensor& tensor, int d) { return static_cast<int>(tensor.size(d)); };
    const auto vectors = static_cast<std::int64_t>(over.nbytes() / 16);
    const auto blocks =
        std::clamp<std::int64_t>((vectors + GpuKernels::kThreads - 1) / GpuKernels::kThreads, 1, 1 << 20);
    GpuKernels::of(over)->launch(name, dim3(static_cast<unsigned>(blocks)), dim3(GpuKernels::kThreads), 0,
                                 arguments..., size(images, 0), size(images, 2), size(images, 3),
                                 size(pooled, 2), size(pooled, 3), size(images, 1));
}

class MaxPool : public torch::autograd::Function<MaxPool> {
public:
    static Variable forward(AutogradContext* context, const Variable& x) {
        const std::vector<std::int64_t> sizes{x.size(0), x.size(1), (x.size(2) + 1) / 2, (x.size(3) + 1) / 2};
        const at::Tensor y = at::empty(sizes, x.options(), at::MemoryFormat::ChannelsLast);
        const at::Tensor place =
            at::empty(sizes, x.options().dtype(at::kByte), at::MemoryFormat::ChannelsLast);
        launch("pool", y, x, y, address(x), address(y), address(place));
        context->save_for_backward({place});
        context->saved_data["sizes"] = x.sizes().vec();
        return y;
    }

    static variable_list backward(AutogradContext* context, const variable_list& gradients) {
        const at::Tensor place = context->get_saved_variables()[0];
        const at::Tensor dy = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
        const at::Tensor dx = at::empty(context->saved_data["sizes"].toIntVector(), dy.options(),
                                        at::MemoryFormat::ChannelsLast);
        launch("back_pool", dx, dx, dy, address(dy), address(place), address(dx));
        return {dx};
    }
};
#endif

}  // namespace

at::Tensor max_pool(const at::Tensor& x) {
#ifdef ALOFT_HAS_KERNELS
    if (GpuKernels::of(x) != nullptr && x.size(2) < INT_MAX / 2 && x.size(3) < INT_MAX / 2)
        return MaxPool::apply(x);
#endif
    return composed_max_pool(x);
}

}  // namespace trainer
