#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "staging/read/dicom/syntax.h"
#include "staging/read/record.h"

namespace staging {

// Image Pixel module (PS3.3 section C.7.6.3), as found.
struct PixelHeader {
    std::optional<std::uint16_t> samples, planar, rows, columns, allocated, stored, high_bit, representation;
    std::optional<std::string> photometric;  // trimmed
    std::optional<std::string> frames;       // IS; absent means 1
};

// Pixel data where they stand in the file, not yet decoded.
struct PixelSource {
    enum class Kind { none, integers, float32, float64, encapsulated } kind = Kind::none;
    Vr vr{};  // of integers: OB or OW
    bool big_endian = false;
    core::ByteView native;        // integers, float32, float64
    core::ByteView offset_table;  // encapsulated
    std::vector<core::ByteView> fragments;
};

// What decoding needs beyond Pixels.
struct PixelLayout {
    Pixels pixels;            // as it will be after decoding, but for `bytes` and `sha256`
    std::string photometric;  // as delivered
    bool planar = false;
    std::uint64_t frame_bytes() const noexcept { return pixels.byte_count() / pixels.frames; }
    std::uint64_t frame_samples() const noexcept {
        return std::uint64_t{pixels.rows} * pixels.columns * pixels.samples;
    }
};

// Checks the header and the size of the result before anything is allocated. Throws
// Refused(missing_attribute | pixel_format_unsupported | pixel_size_mismatch | pixels_too_large).
PixelLayout plan_pixels(const PixelHeader& header, const PixelSource& source, const Syntax& syntax,
                        const Limits& limits);

// Decodes all frames into `out`, which has layout.pixels.byte_count() bytes. Throws
// Refused(decode_failed | pixel_size_mismatch).
void decode_pixels(const PixelLayout& layout, const PixelSource& source, const Syntax& syntax,
                   std::span<std::uint8_t> out);

// The parts that have a file of their own.
void decode_native(const PixelLayout& layout, const PixelSource& source, std::span<std::uint8_t> out);
// One frame each: RLE (PS3.5 annex G) and JPEG baseline, 8 bits (ISO/IEC 10918-1, sequential Huffman).
void decode_rle(core::ByteView encoded, const PixelLayout& layout, std::span<std::uint8_t> frame);
// Returns whether the samples are YCbCr (then not yet converted).
bool decode_jpeg(core::ByteView encoded, const PixelLayout& layout, std::span<std::uint8_t> frame);

// Fragments [first, last) of each frame (PS3.5 annex A.4). Throws Refused(pixel_size_mismatch) where they
// cannot be told.
struct Range {
    std::size_t first, last;
};
std::vector<Range> frame_fragments(const PixelSource& source, std::uint32_t frames, Codec codec);

}  // namespace staging
