#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/config.h"

namespace trainer {

struct NamedTensor {
    std::string name;
    at::Tensor tensor;
};

enum class Mode { train, evaluate };  // dropout happens in training only

// What a model is made for.
struct ModelInput {
    std::vector<std::int64_t> shape;  // of one sample: [C, D, H, W], [C, H, W], [H, W] or [features]
    std::int64_t outputs = 0;         // of one sample: a score for each class, or a value
    bool has_units = false;           // outputs are values in units of their own: see in_units
    bool is_dense = false;            // outputs are those of each pixel
};

// A network: its parameters and buffers by name, and what it computes. Inputs are standardised inside,
// with means and scales of the training split that are buffers of the model: they travel with it.
class Model {
public:
    virtual ~Model() = default;
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;

    // `inputs` [B, shape of a sample], any numeric type, on the model's device. Returns [B, outputs] scores,
    // float32: before softmax, or standardised values. Of a dense model [B, outputs, H, W] or [B, outputs, D, H, W], and in
    // training [B, heads, outputs, ...] if it has several heads, the finest first. Missing values (NaN, infinite) count as
    // the mean.
    at::Tensor forward(const at::Tensor& inputs, Mode mode);

    const std::vector<NamedTensor>& parameters() const noexcept { return parameters_; }
    const std::vector<NamedTensor>& buffers() const noexcept { return buffers_; }
    std::vector<NamedTensor> state() const;  // both
    const ModelInput& input() const noexcept { return input_; }

    // One mean and one scale (1 / standard deviation) per channel, or per feature.
    void set_standardisation(const std::vector<double>& mean, const std::vector<double>& scale);
    std::int64_t channels() const;  // how many of each

    // Of outputs that have units: values as they are learned, (value - mean) / deviation, and back; [n, outputs] float64.
    void set_output_scale(const std::vector<double>& mean, const std::vector<double>& deviation);
    at::Tensor standard_target(const at::Tensor& values) const;
    at::Tensor in_units(const at::Tensor& scores) const;

    void to(c10::Device device);

    // The [model] table that makes this model again.
    virtual std::string toml() const = 0;

protected:
    explicit Model(ModelInput input);
    at::Tensor add_parameter(const std::string& name, at::Tensor initial);

    virtual at::Tensor compute(const at::Tensor& standardised, Mode mode) = 0;

private:
    ModelInput input_;
    std::vector<NamedTensor> parameters_, buffers_;
};

// The model that `options` ([model] of a recipe: its name, and what that model knows) describes. Parameters
// are drawn from `seed`: equal on every rank. Throws Error(usage) for an unknown name, or an input or outputs that
// the model does not take. The caller calls options.finish().
std::unique_ptr<Model> make_model(const core::Config& options, const ModelInput& input, std::uint64_t seed);

// The zoo, one function per file.
std::unique_ptr<Model> make_resnet2d(const core::Config& options, const ModelInput& input);
std::unique_ptr<Model> make_mlp(const core::Config& options, const ModelInput& input);
std::unique_ptr<Model> make_densenet2d(const core::Config& options, const ModelInput& input);
std::unique_ptr<Model> make_densenet3d(const core::Config& options, const ModelInput& input);
std::unique_ptr<Model> make_unet2d(const core::Config& options, const ModelInput& input);
std::unique_ptr<Model> make_unet3d(const core::Config& options, const ModelInput& input);

}  // namespace trainer
