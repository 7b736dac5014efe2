#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "trainer/augment/options.h"

namespace trainer {

class Random;
struct Drawn;

// Where numbers 0 and 1 of standardised values lie (Model's buffers input.mean and input.scale): what of an intensity is
// drawn counts in deviations of the training split. Per channel, or one of all.
struct Standard {
    at::Tensor mean, scale;
};

// Changes samples of images and volumes before a model is trained by them, on the device that they are on. What becomes
// of a sample is a function of (seed, epoch, sample): the same on any number of ranks and after a resume, and to
// rounding the same on CPU and GPU. A sample that no transform has drawn, or none with any strength, stays as it is to
// the bit. Geometry comes first: flips, which are exact, then crops, then rotation, scale, translation and elastic
// displacements, all in one linear interpolation, beyond the edge the value at the edge; then the others in the recipe's
// order.
class Augment {
public:
    // Samples of this shape: [H, W], [C, H, W] or [C, D, H, W]. Throws Error(usage) for others if there are rows, for an
    // axis that they do not have, and for a spacing of another number of axes.
    Augment(std::vector<AugmentOptions> rows, std::uint64_t seed, const std::vector<std::int64_t>& shape);

    bool is_none() const noexcept { return rows_.empty(); }

    // Of each sample that is to be cropped around one, a pixel of a class, slowest axis first, of each class but 0 alike;
    // nothing for others and for samples of class 0 alone. `masks` [n, pixels] uint8 on the CPU, classes of the samples
    // before they are changed; what images and masks take as `centres` where a row asks for the foreground.
    using Centres = std::vector<std::vector<std::int64_t>>;
    Centres centres(const at::Tensor& masks, std::span<const std::int64_t> samples, std::int64_t epoch) const;

    // `inputs` [n, shape], any numeric type; `samples` their n numbers in the dataset. Returns float32 in the units of the
    // inputs, or the inputs themselves if none changes. In a sample that is changed, missing values (NaN, infinite) become
    // the mean first, as in the model.
    at::Tensor images(const at::Tensor& inputs, std::span<const std::int64_t> samples, std::int64_t epoch,
                      const Standard& standard,
                      std::span<const std::vector<std::int64_t>> centres = {}) const;

    // `masks` [n, ...] of the same samples, with the inputs' height and width (and depth): the same geometry, of each
    // pixel the nearest value. Same type and shape as given.
    at::Tensor masks(const at::Tensor& masks, std::span<const std::int64_t> samples, std::int64_t epoch,
                     std::span<const std::vector<std::int64_t>> centres = {}) const;

private:
    struct Geometry {
        std::vector<std::vector<std::int64_t>> flipped;  // [axis from the last]: places in the batch
        std::vector<std::int64_t> moved;                 // places that are interpolated
        std::vector<float> theta;                        // [moved, axes, axes + 1], as affine_grid takes it
        struct Bend {
            std::int64_t which;  // of those that are moved
            double strength, smoothness;
            std::vector<std::size_t> axes;
            std::int64_t keys[3][2];  // [axis from the last]
        };
        std::vector<Bend> bends;
    };
    // Random numbers of a row, of a sample in an epoch.
    Random stream(std::size_t row, std::int64_t epoch, std::int64_t sample) const;
    std::vector<std::vector<Drawn>> drawn(std::span<const std::int64_t> samples, std::int64_t epoch) const;
    Geometry geometry(std::span<const std::int64_t> samples, std::int64_t epoch,
                      std::span<const std::int64_t> sides,
                      std::span<const std::vector<std::int64_t>> centres) const;
    at::Tensor placed(at::Tensor values, const Geometry& geometry, bool nearest) const;

    std::vector<AugmentOptions> rows_;
    std::uint64_t seed_;
    std::size_t axes_ = 0;             // 2 or 3
    std::vector<std::int64_t> sides_;  // slowest axis first
    bool has_channels_ = true;
};

}  // namespace trainer
