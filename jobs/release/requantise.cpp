#include "jobs/release/requantise.h"

#include <openssl/evp.h>

#include <bit>
#include <cmath>

#include "core/base/error.h"

namespace jobs {
namespace {

constexpr std::size_t kBufferBytes = 1 << 16;  // of draws made at once: a multiple of ChaCha20's 64
constexpr float kSmallest = 0x1p-40F;

}  // namespace

Draws::Draws(core::ByteView key, std::string_view name)
    : key_(core::hmac_sha256(key, {core::view("aloft rounding\n"), core::view(name)})),
      buffer_(kBufferBytes) {
    fill();
}

void Draws::fill() {
    const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(),
                                                                                  &EVP_CIPHER_CTX_free);
    // The counter, little endian, then the nonce: 0. A tensor would need 2^36 draws to use one up.
    std::uint8_t iv[16] = {};
    for (int i = 0; i < 4; ++i) iv[i] = static_cast<std::uint8_t>(block_ >> (8 * i));
    const core::Bytes zeros(kBufferBytes);
    int length = 0;
    if (!context || EVP_EncryptInit_ex(context.get(), EVP_chacha20(), nullptr, key_.data(), iv) != 1 ||
        EVP_EncryptUpdate(context.get(), buffer_.data(), &length, zeros.data(),
                          static_cast<int>(kBufferBytes)) != 1)
        throw core::Error(core::Fault::system, "OpenSSL: cannot draw for the rounding of weights");
    block_ += kBufferBytes / 64;
    at_ = 0;
}

std::uint32_t Draws::next() {
    if (at_ == buffer_.size()) fill();
    std::uint32_t out = 0;
    for (int i = 0; i < 4; ++i) out |= static_cast<std::uint32_t>(buffer_[at_++]) << (8 * i);
    return out;
}

float to_bf16(float value, Draws& draws) {
    const std::uint32_t drawn = draws.next();
    if (std::abs(value) < kSmallest) return 0;
    // Sign and magnitude: adding below the seventh bit carries into it as often as the sixteen bits say.
    return std::bit_cast<float>((std::bit_cast<std::uint32_t>(value) + (drawn & 0xffff)) & 0xffff0000U);
}

float to_grid_of(float value, float scale, Draws& draws) {
    const std::uint32_t drawn = draws.next();
    if (scale == 0 || std::abs(value) < kSmallest) return 0;
    const double step = std::exp2(std::floor(std::log2(1 / std::abs(static_cast<double>(scale)))) - 7);
    const double steps = static_cast<double>(value) / step, below = std::floor(steps);
    const double chosen = below + (drawn < (steps - below) * 0x1p32 ? 1 : 0);
    return static_cast<float>(chosen * step + 0.0);
}

}  // namespace jobs
