#include "trainer/model/group_norm_cuda.h"

#include <ATen/ATen.h>

#include "trainer/model/gpu_kernels.h"

#ifdef ALOFT_HAS_KERNELS
#include <c10/cuda/CUDAGuard.h>

#include <algorithm>
#include <climits>
#endif

namespace trainer {

#ifdef ALOFT_HAS_KERNELS
namespace {

constexpr float kEpsilon = 1e-5F;
constexpr unsigned kThreads = GpuKernels::kThreads, kMostColumns = 512;
constexpr unsigned kRowsOfThread = 16;  // that one thread adds up

// How the work on one tensor is laid out; a function of L and C alone, so that what becomes of a sample does not
// depend on how many there are beside it.
struct Layout {
    int n, length, channels;
    unsigned columns, rows, take, splits;

    explicit Layout(const at::Tensor& x)
        : n(static_cast<int>(x.size(0))),
          length(static_cast<int>(x.size(2) * x.size(3))),
          channels(static_cast<int>(x.size(1))),
          columns(static_cast<unsigned>(channels) / (16 / static_cast<unsigned>(x.element_size()))),
          rows(std::max(1U, kThreads / columns)),
          take(rows * kRowsOfThread),
          splits((static_cast<unsigned>(length) + take - 1) / take) {}
    dim3 sums_grid() const { return {splits, static_cast<unsigned>(n)}; }
    dim3 sums_block() const { return {columns, rows}; }
    std::size_t sums_shared() const {
        return std::size_t{rows} * static_cast<unsigned>(channels) * sizeof(float2);
    }
    dim3 apply_grid() const {
        const unsigned vectors = static_cast<unsigned>(length) * columns;
        return {(vectors + 4 * kThreads - 1) / (4 * kThreads), static_cast<unsigned>(n)};
    }
    dim3 join_grid() const { return {static_cast<unsigned>(n)}; }
    std::size_t join_shared(int groups) const {
        return static_cast<std::size_t>(channels + groups) * sizeof(float2);
    }
};

}  // namespace

bool has_group_norm_cuda(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                         const at::Tensor& bias) {
    if (GpuKernels::of(x) == nullptr) return false;
    const std::int64_t channels = x.size(1);
    const auto is_plain = [](const at::Tensor& each) {
        return each.is_cuda() && each.scalar_type() == at::kFloat && each.is_contiguous();
    };
    return x.size(0) <= 65535 && x.size(2) * x.size(3) * channels < INT_MAX && channels % groups == 0 &&
           channels * static_cast<std::int64_t>(x.element_size()) <= 16 * std::int64_t{kMostColumns} &&
           is_plain(weight) && is_plain(bias);
}

Normed group_norm_cuda(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                       const at::Tensor& bias, const at::Tensor& other, bool relu) {
    const c10::cuda::CUDAGuard guard(x.device());
    const GpuKernels& run = *GpuKernels::of(x);
    const Layout plan(x);
    const int count = static_cast<int>(groups);
    const auto floats = x.options().dtype(at::kFloat);
    const at::Tensor part = at::empty({plan.n, plan.splits, plan.channels, 2}, floats);
    const at::Tensor line = at::empty({plan.n, plan.channels, 2}, floats);
    Normed out{at::empty_like(x), at::empty({plan.n, groups, 2}, floats)};
    run.launch("moments", plan.sums_grid(), plan.sums_block(), plan.sums_shared(), address(x), address(part),
               plan.length, plan.channels, static_cast<int>(plan.take));
    run.launch("join", plan.join_grid(), kThreads, plan.join_shared(count), address(x), address(part),
               static_cast<int>(plan.splits), address(weight), address(bias), address(out.group),
               address(line), plan.length, plan.channels, count, kEpsilon);
    run.launch("apply", plan.apply_grid(), kThreads, 0, address(x), address(other), address(line),
               address(out.y), plan.length, plan.channels, static_cast<int>(relu));
    return out;
}

NormGradients group_norm_cuda_backward(const at::Tensor& given, const at::Tensor& x, const at::Tensor& weight,
                                       const at::Tensor& group, const at::Tensor& y, bool relu, bool other) {
    const c10::cuda::CUDAGuard guard(x.device());
    const GpuKernels& run = *GpuKernels::of(x);
    const Layout plan(x);
    const int groups = static_cast<int>(group.size(1));
    const auto floats = x.options().dtype(at::kFloat);
    const at::Tensor dy = given.to(x.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor part = at::empty({plan.n, plan.splits, plan.channels, 2}, floats);
    const at::Tensor sums = at::empty({plan.n, plan.channels, 2}, floats);
    const at::Tensor curve = at::empty({plan.n, plan.channels, 3}, floats);
    NormGradients out;
    out.x = at::empty_like(x);
    // What goes to `other` is dy as far as the ReLU let it through; the last pass then need not look again.
    if (other) out.other = relu ? at::empty_like(x) : dy;
    const at::Tensor mask = relu ? y : at::Tensor(), kept = other && relu ? out.other : at::Tensor();
    run.launch("back_sums", plan.sums_grid(), plan.sums_block(), plan.sums_shared(), address(dy),
               address(mask), address(x), address(group), address(kept), address(part), plan.length,
               plan.channels, groups, static_cast<int>(plan.take));
    run.launch("back_join", plan.join_grid(), kThreads, plan.join_shared(groups), address(part),
               static_cast<int>(plan.splits), address(weight), address(group), address(sums), address(curve),
               plan.length, plan.channels, groups);
    run.launch("back_apply", plan.apply_grid(), kThreads, 0, address(kept.defined() ? kept : dy),
               address(kept.defined() ? at::Tensor() : mask), address(x), address(curve), address(out.x),
               plan.length, plan.channels);
    const at::Tensor total = sums.sum(0);  // [C, 2]
    out.bias = total.select(1, 0).contiguous();
    out.weight = total.select(1, 1).contiguous();
    return out;
}
#else
bool has_group_norm_cuda(const at::Tensor&, std::int64_t, const at::Tensor&, const at::Tensor&) {
    return false;
}
Normed group_norm_cuda(const at::Tensor&, std::int64_t, const at::Tensor&, const at::Tensor&,
                       const at::Tensor&, bool) {
    return {};
}
NormGradients group_norm_cuda_backward(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                       const at::Tensor&, const at::Tensor&, bool, bool) {
    return {};
}
#endif

}  // namespace trainer
