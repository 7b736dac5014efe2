#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include "core/base/bytes.h"
#include "staging/read/record.h"

namespace staging {

// What the data set says of each frame; nothing of it is believed of the bytes before it was compared.
struct FrameShape {
    std::uint32_t rows = 0, columns = 0, samples = 0;
    PixelType type = PixelType::none;
    unsigned allocated = 0;  // bits: 1, 8, 16 or 32
    bool is_rgb = false;     // PhotometricInterpretation is RGB
    bool is_planar = false;  // PlanarConfiguration is 1; only native frames are ever planar

    std::uint64_t sample_count() const noexcept { return std::uint64_t{rows} * columns * samples; }
    bool is_signed() const noexcept {
        return type == PixelType::i8 || type == PixelType::i16 || type == PixelType::i32;
    }
};

// What the samples of a decoded frame are, if its own markers say so.
enum class Colour { as_data_set_says, rgb, ycbcr };

// A way in which one frame is compressed. The table in codec.cpp is the only list: a new codec is a file of its own,
// a row there, and the rows of its transfer syntaxes in dicom/syntax.cpp. A row with a gap does not compile.
struct Codec {
    std::string_view name;  // what `detail` says when a frame is refused
    // Decodes one frame into `out`: rows, columns, samples, in shape.type, this machine's byte order. `out` has the
    // frame's size. The bytes must be of one image of just that shape. Bits above the codestream's precision repeat
    // its sign, if either it or the data set is signed. Throws Refused(decode_failed), std::bad_alloc.
    Colour (*decode)(core::ByteView frame, const FrameShape& shape, std::span<std::uint8_t> out);
    // Whether a fragment begins a frame. A frame may be cut into fragments; they are told apart by this.
    bool (*begins)(core::ByteView fragment);
    unsigned allocated;  // the BitsAllocated that it can give, added up: 1, 8, 16, 32
    bool may_be_4_2_2;   // frames that are called YBR_FULL_422: the codec fills in what was left out
    bool undoes_colour;  // frames that are called YBR_RCT, YBR_ICT or XYB come as RGB
};

extern const Codec kRle, kJpeg, kJpegExtended, kJpegLossless, kJpegLs, kJpeg2000, kJpegXl, kDeflatedFrame;

// What a codec must do before its process gives up files and other system calls. Once, in the fork server.
void prepare_codecs() noexcept;

// The codecs' own files.
Colour decode_rle(core::ByteView frame, const FrameShape& shape, std::span<std::uint8_t> out);
Colour decode_jpeg(core::ByteView frame, const FrameShape& shape, std::span<std::uint8_t> out);
Colour decode_jpeg_extended(core::ByteView frame, const FrameShape& shape, std::span<std::uint8_t> out);
Colour decode_jpeg_lossless(core::ByteView frame, const FrameShape& shape, std::span<std::uint8_t> out);
Colour decode_jpeg_ls(core::ByteView frame, const FrameShape& shape, std::span<std::uint8_t> out);
Colour decode_jpeg_2000(core::ByteView frame, const FrameShape& shape, std::span<std::uint8_t> out);
Colour decode_jpeg_xl(core::ByteView frame, const FrameShape& shape, std::span<std::uint8_t> out);
Colour decode_deflated_frame(core::ByteView frame, const FrameShape& shape, std::span<std::uint8_t> out);

}  // namespace staging
