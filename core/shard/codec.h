#pragma once
#include <cstdint>
#include <string_view>

#include "core/base/bytes.h"

namespace core {

// How a payload is compressed before it is encrypted. X-rays shrink 1.2 to 1.6 times and read four times
// slower for it: `none` unless storage is what hurts.
enum class Codec : std::uint8_t { none = 0, lz4 = 1, zstd = 2 };
std::string_view name_of(Codec codec) noexcept;  // "none", "lz4", "zstd"
Codec codec_of(std::string_view name);           // throws Error(usage)

// Compresses into `out`, which is resized. False if that would not make it smaller: store it as it is.
bool compress(Codec codec, ByteView raw, Bytes& out);

// True if `packed` unpacks to exactly `raw_bytes` bytes at `out`. Safe on hostile input: never writes more.
[[nodiscard]] bool decompress(Codec codec, ByteView packed, std::uint8_t* out,
                              std::size_t raw_bytes) noexcept;

}  // namespace core
