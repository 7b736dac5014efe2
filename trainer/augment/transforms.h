#pragma once
#include <ATen/core/Tensor.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "trainer/augment/options.h"
#include "trainer/loader/random.h"

namespace trainer {

// Uniform in [least, most), of 53 bits.
inline double uniform(Random& random, double least, double most) {
    return least + (most - least) * static_cast<double>(random.next() >> 11) * 0x1p-53;
}

// What a transform of intensities has drawn for a sample of a batch: a strength, and keys of its noise.
struct Drawn {
    std::int64_t place;
    double strength;
    std::int64_t keys[3];  // each below 2^32
};

// Changes the samples that are drawn, in place. `x` [n, C, H, W] or [n, C, D, H, W], float32, standardised.
using Change = void (*)(at::Tensor& x, const std::vector<Drawn>& drawn, const AugmentOptions& options);
Change change_of(std::string_view name);  // null for a transform of geometry

// 32-bit hashes of int64 tensors that hold numbers below 2^32: the same on any device.
at::Tensor hashed(at::Tensor x);

// How far each pixel of a sample is displaced along one axis, in pixels, [sides] float32 on the device: numbers between -1
// and 1, of each pixel by itself (`keys`, each below 2^32), smoothed by a Gaussian of a deviation of `smoothness` pixels
// that goes on at the other end, and times what gives them a deviation of `strength` (Simard et al. 2003, who say that
// factor itself, for any smoothness: 34 at 4 pixels in images are a strength of 1.4).
at::Tensor displacements(const std::vector<std::int64_t>& sides, double strength, double smoothness,
                         const std::int64_t (&keys)[2], c10::Device device);

// A strength that changes nothing.
double neutral_of(std::string_view name);

}  // namespace trainer
