#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "staging/read/dicom/palette.h"
#include "staging/read/dicom/syntax.h"
#include "staging/read/record.h"

namespace staging {

// Image Pixel module (PS3.3 section C.7.6.3), as found.
struct PixelHeader {
    std::optional<std::uint16_t> samples, planar, rows, columns, allocated, stored, high_bit, representation;
    std::optional<std::string> photometric;  // trimmed
    std::optional<std::string> frames;       // IS; absent means 1
    Palette palette;
};

// Pixel data where they stand in the file, not yet decoded.
struct PixelSource {
    enum class Kind { none, integers, float32, float64, encapsulated } kind = Kind::none;
    Vr vr{};  // of integers: OB or OW
    bool big_endian = false;
    std::uint64_t native_bytes = 0;  // integers, float32, float64
    core::ByteView native;           //   empty if only the header is read
    bool has_fragments = false;      // encapsulated, and not only the header is read
    core::ByteView offset_table;
    std::vector<core::ByteView> fragments;
};

// What decoding needs beyond Pixels.
struct PixelLayout {
    Pixels pixels;             // as it will be after decoding, but for `bytes` and `sha256`
    std::string photometric;   // as delivered
    FrameShape shape;          // of a frame as it is stored: indices of a palette, YBR not yet converted
    unsigned stored = 0;       // BitsStored
    bool extra_bytes = false;  // more pixel data than the image has, beyond a byte of padding
    bool has_palette() const noexcept { return photometric == "PALETTE COLOR"; }
    std::uint64_t frame_bytes() const noexcept { return shape.sample_count() * pixel_type_bytes(shape.type); }
};

// Checks the header and the size of the result before anything is allocated. Throws
// Refused(missing_attribute | pixel_format_unsupported | pixel_size_mismatch | pixels_too_large).
PixelLayout plan_pixels(const PixelHeader& header, const PixelSource& source, const Syntax& syntax,
                        const Limits& limits);

// Decodes all frames into `out`, which has layout.pixels.byte_count() bytes. Throws
// Refused(decode_failed | pixel_size_mismatch | pixel_format_unsupported).
void decode_pixels(const PixelLayout& layout, const PixelHeader& header, const PixelSource& source,
                   const Syntax& syntax, std::span<std::uint8_t> out);

// NumberOfFrames: 1 if it is absent or empty. Throws Refused(pixel_size_mismatch) if it is no positive number.
std::uint32_t frame_count(const PixelHeader& header);

// Fragments [first, last) of each frame (PS3.5 annex A.4). Throws Refused(pixel_size_mismatch) where they
// cannot be told, and where there are more frames in the fragments than the data set says, or fewer.
struct Range {
    std::size_t first, last;
};
std::vector<Range> frame_fragments(const PixelSource& source, std::uint32_t frames, const Codec& codec);

}  // namespace staging
