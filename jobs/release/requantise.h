#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/base/bytes.h"
#include "jobs/release/architecture.h"

namespace jobs {

// What a value may still carry after requantise(): a sign, an exponent between 2^-40 and 2^30, seven bits.
constexpr std::uint64_t kBitsPerWeight = 15;
constexpr std::uint64_t kBitsPerMean = 24;

// An endless row of bits that nobody without the key can foretell (ChaCha20, RFC 8439).
class Draws {
public:
    // One row for each (key, name): a tensor's rounding does not hang on what comes before it.
    Draws(core::ByteView key, std::string_view name);
    // Uniform in [0, 2^32).
    std::uint32_t next();

private:
    void fill();
    core::Digest key_{};
    std::uint32_t block_ = 0;
    std::size_t at_ = 0;
    core::Bytes buffer_;
};

// `value` as the nearest bf16 below or above it, drawn so that it is right on average: what stood in the sixteen
// bits that go is gone. Zeros become +0, and so does everything below 2^-40. Never more than one step of bf16
// from `value`. `value` must be finite and at most 2^30.
float to_bf16(float value, Draws& draws);

// `value` to a multiple of 2^-7 of the power of two below 1 / |scale|, drawn in the same way.
float to_grid_of(float value, float scale, Draws& draws);

}  // namespace jobs
