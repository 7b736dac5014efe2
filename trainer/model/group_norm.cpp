#include "trainer/model/group_norm.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "trainer/model/group_norm_cuda.h"

namespace trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

class GroupNorm : public torch::autograd::Function<GroupNorm> {
public:
    static Variable forward(AutogradContext* context, const Variable& x, const Variable& weight,
                            const Variable& bias, const std::optional<Variable>& other, std::int64_t groups,
                            bool relu) {
        const auto normed = group_norm_cuda(x, groups, weight, bias, other.value_or(at::Tensor()), relu);
        context->save_for_backward({x, weight, normed.group, normed.y});
        context->saved_data["relu"] = relu;
        context->saved_data["other"] = other.has_value();
        return normed.y;
    }

    static variable_list backward(AutogradContext* context, const variable_list& gradients) {
        const auto saved = context->get_saved_variables();
        const auto back = group_norm_cuda_backward(gradients[0], saved[0], saved[1], saved[2], saved[3],
                                                   context->saved_data["relu"].toBool(),
                                                   context->saved_data["other"].toBool());
        return {back.x, back.weight, back.bias, back.other, {}, {}};
    }
};

}  // namespace

at::Tensor composed_group_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                               const at::Tensor& bias, const at::Tensor& other, Relu relu) {
    at::Tensor y = at::group_norm(x, groups, weight, bias);
    if (other.defined()) y = y + other;
    return relu == Relu::yes ? at::relu(y) : y;
}

at::Tensor group_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                      const at::Tensor& bias, const at::Tensor& other, Relu relu) {
    if (!has_group_norm_cuda(x, groups, weight, bias))
        return composed_group_norm(x, groups, weight, bias, other, relu);
    std::optional<at::Tensor> more;
    if (other.defined()) more = other.to(x.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast);
    return GroupNorm::apply(x, weight, bias, more, groups, relu == Relu::yes);
}

}  // namespace trainer
