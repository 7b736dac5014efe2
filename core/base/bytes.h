#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace core {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using Digest = std::array<std::uint8_t, 32>;  // SHA-256 (FIPS 180-4)

inline ByteView view(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Digest sha256(ByteView bytes);

// SHA-256 of a stream. `finish` may be called once.
class Sha256 {
public:
    Sha256();
    Sha256(const Sha256&) = delete;
    Sha256& operator=(const Sha256&) = delete;
    ~Sha256();
    void update(ByteView bytes);
    Digest finish();

private:
    void* context_;
};

// HMAC-SHA-256 (RFC 2104) over the parts in order, as if they were one.
Digest hmac_sha256(ByteView key, std::initializer_list<ByteView> parts);

// HKDF-SHA-256 (RFC 5869), 32 bytes. `info` names the purpose: never reuse one.
Digest hkdf_sha256(ByteView key, ByteView salt, std::string_view info);

std::string to_hex(ByteView bytes);            // lower case
Bytes from_hex(std::string_view text);         // throws Error(data)
std::string to_base64(ByteView bytes);         // RFC 4648 section 4, padded
Bytes from_base64(std::string_view text);      // throws Error(data)
Bytes random_bytes(std::size_t count);         // from the kernel
std::string random_id(std::size_t bytes = 8);  // hex

// all ^= one: joins digests of things in whatever order they come.
template <std::size_t N>
void join_digest(std::array<std::uint8_t, N>& all, const std::array<std::uint8_t, N>& one) {
    for (std::size_t i = 0; i < N; ++i) all[i] ^= one[i];
}

// Comparison whose time does not depend on where they differ.
bool equal_secret(ByteView a, ByteView b);

}  // namespace core
