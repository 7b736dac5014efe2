#include "trainer/engine/step.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include "core/base/error.h"
#include "trainer/engine/torch_error.h"
#include "trainer/engine/watch.h"

namespace trainer {
namespace {

// SplitMix64 (Steele, Lea and Flood 2014): well mixed seeds from numbers that lie close together.
std::uint64_t mix(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

}  // namespace

Autocast::Autocast(Precision precision, c10::DeviceType device)
    : on_(precision == Precision::bf16), device_(device) {
    if (!on_) return;
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);
    at::autocast::increment_nesting();
}

Autocast::~Autocast() {
    if (!on_) return;
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, false);
}

bool Step::accumulate(const at::Tensor& inputs, const at::Tensor& targets, std::int64_t step,
                      const std::function<bool()>& go_on, const Alter& alter) {
    step_ = step;
    if (task_.first_unusable(targets))
        throw core::Error(core::Fault::data,
                          "a training sample has no label, or one that the task does not know");
    const c10::Device device = model_.parameters()[0].tensor.device();
    const std::int64_t size = inputs.size(0) / options_.micro_batches;
    return with_torch_errors("step " + std::to_string(step), [&] {
        loss_ = at::zeros({}, at::TensorOptions().device(device).dtype(at::kDouble));
        for (std::int64_t i = 0; i < options_.micro_batches; ++i) {
            if (go_on && !go_on()) return false;
            Watch::tick();
            const Last last = i + 1 == options_.micro_batches ? Last::yes : Last::no;
            const auto number = static_cast<std::uint64_t>(options_.first_micro_batch + i);
            at::manual_seed(mix(mix(options_.seed ^ mix(static_cast<std::uint64_t>(step))) + number));
            // Copies, each at the start of an allocation: kernels may round differently by alignment.
            auto x = inputs.narrow(0, i * size, size).to(device, inputs.scalar_type(), false, /*copy=*/true);
            auto y = targets.narrow(0, i * size, size)
                         .to(device, targets.scalar_type(), /*non_blocking=*/true, /*copy=*/true);
            if (alter) alter(x, y, i * size);
            gradients_.before_forward(last);
            at::Tensor scores;
            {
                const Autocast autocast(options_.precision, device.type());
                scores = model_.forward(x, Mode::train);
            }
            const at::Tensor loss = task_.loss(model_, scores, y);
            gradients_.before_backward(last);
            (loss * gradients_.loss_scale()).backward();
            gradients_.after_backward();
            loss_.add_(loss.detach());
        }
        gradients_.finish();
        return true;
    });
}

Step::Outcome Step::update(double rate, const std::function<bool(double loss, double norm)>& may) {
    return with_torch_errors("step " + std::to_string(step_), [&] {
        Outcome out{};
        out.norm = optimizer_.step(rate, [&](double norm) {
            out.loss =
                loss_.item<double>() / static_cast<double>(options_.micro_batches);  // there before the norm
            return may(out.loss, norm);
        });
        return out;
    });
}

}  // namespace trainer
