#pragma once
#include "staging/read/codec/codec.h"

namespace staging {

// How native samples stand in the file.
struct NativeOrder {
    bool big_endian = false;
    bool is_words =
        false;  // OW: 8-bit samples are swapped in pairs where words are big endian (PS3.5 annex D)
    bool is_4_2_2 = false;  // YBR_FULL_422: Y1 Y2 Cb Cr for two pixels
};

// Bytes of one frame that is not compressed; one of 1 bit per sample begins at a byte.
std::uint64_t native_frame_bytes(const FrameShape& shape);

// From `native` to rows, columns, samples in this machine's byte order.
void decode_native_frame(core::ByteView native, const FrameShape& shape, const NativeOrder& order,
                         std::span<std::uint8_t> out);

// Samples of 1 bit from bit `first` on (PS3.5 section 8.1.1: the lowest bit first).
void unpack_bits(core::ByteView packed, std::uint64_t first, std::span<std::uint8_t> out);

}  // namespace staging
