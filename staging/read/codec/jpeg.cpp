// clang-format off
#include <cstddef>
#include <cstdio>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on
#include <csetjmp>

#include "staging/read/codec/codec.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

// libjpeg ends a failed call by leaving it, never by returning. It is left by longjmp to `decode` below,
// which holds nothing with a destructor, as no frame of C in between does: so nothing of C++ is jumped over.
struct Decoder {
    jpeg_decompress_struct jpeg;
    jpeg_error_mgr errors;
    jpeg_progress_mgr progress;
    std::jmp_buf failed;
};

[[noreturn]] void leave(j_common_ptr jpeg) {
    std::longjmp(static_cast<Decoder*>(jpeg->client_data)->failed, 1);
}

void on_error(j_common_ptr jpeg) {
    leave(jpeg);
}

// Level -1 is a warning: data that are missing or damaged, for which libjpeg would make up grey pixels. Those
// are not taken for an image; stuffing between markers harms nothing.
void on_message(j_common_ptr jpeg, int level) {
    if (level < 0 && jpeg->err->msg_code != JWRN_EXTRANEOUS_DATA) leave(jpeg);
}

void no_output(j_common_ptr) {}

// A sequential image has at most one scan per component; a thousand empty ones would each walk the image.
void on_progress(j_common_ptr common) {
    const auto jpeg = reinterpret_cast<j_decompress_ptr>(common);
    if (jpeg->input_scan_number > jpeg->num_components) leave(common);
}

constexpr std::size_t kMultipleScanSamples = 32 << 20;

enum class Samples { grey, rgb, ycbcr };

// What the three components are. Markers that say so win over the data set; without any, it decides.
Samples colour_of(const jpeg_decompress_struct& jpeg, bool data_set_says_rgb) {
    if (jpeg.num_components == 1) return Samples::grey;
    if (jpeg.saw_Adobe_marker) return jpeg.Adobe_transform == 0 ? Samples::rgb : Samples::ycbcr;
    const auto id = [&](int i) { return jpeg.comp_info[i].component_id; };
    if ((id(0) == 'R' && id(1) == 'G' && id(2) == 'B') || (id(0) == 'r' && id(1) == 'g' && id(2) == 'b'))
        return Samples::rgb;
    if (jpeg.saw_JFIF_marker) return Samples::ycbcr;
    return data_set_says_rgb ? Samples::rgb : Samples::ycbcr;
}

struct Expected {
    unsigned rows, columns, samples;
    bool rgb;
};

bool decode(Decoder& decoder, const unsigned char* bytes, unsigned long size, const Expected& expected,
            std::uint8_t* out, Samples& colour) {
    jpeg_decompress_struct& jpeg = decoder.jpeg;
    jpeg.err = jpeg_std_error(&decoder.errors);
    jpeg.client_data = &decoder;
    decoder.errors.error_exit = on_error;
    decoder.errors.emit_message = on_message;
    decoder.errors.output_message = no_output;
    if (setjmp(decoder.failed)) return false;  // the caller destroys
    jpeg_create_decompress(&jpeg);
    jpeg.client_data = &decoder;
    jpeg.progress = &decoder.progress;
    decoder.progress.progress_monitor = on_progress;

    jpeg_mem_src(&jpeg, bytes, size);
    if (jpeg_read_header(&jpeg, TRUE) != JPEG_HEADER_OK) return false;
    if (jpeg.image_height != expected.rows || jpeg.image_width != expected.columns ||
        static_cast<unsigned>(jpeg.num_components) != expected.samples || jpeg.data_precision != 8 ||
        jpeg.progressive_mode || jpeg.arith_code)
        return false;
    // An image in several scans is held whole, in 16-bit coefficients, before a row comes out.
    if (jpeg_has_multiple_scans(&jpeg) &&
        std::size_t{expected.rows} * expected.columns * expected.samples > kMultipleScanSamples)
        return false;
    colour = colour_of(jpeg, expected.rgb);
    // No conversion here: see ybr_to_rgb.
    jpeg.jpeg_color_space = jpeg.out_color_space = colour == Samples::grey  ? JCS_GRAYSCALE
                                                   : colour == Samples::rgb ? JCS_RGB
                                                                            : JCS_YCbCr;
    jpeg.dct_method = JDCT_ISLOW;
    if (!jpeg_start_decompress(&jpeg) || jpeg.output_width != expected.columns ||
        static_cast<unsigned>(jpeg.output_components) != expected.samples)
        return false;
    const std::size_t row_bytes = std::size_t{expected.columns} * expected.samples;
    while (jpeg.output_scanline < jpeg.output_height) {
        JSAMPROW row = out + row_bytes * jpeg.output_scanline;
        if (jpeg_read_scanlines(&jpeg, &row, 1) != 1) return false;
    }
    return true;  // what follows the last row is not looked at
}

}  // namespace

Colour decode_jpeg(core::ByteView encoded, const FrameShape& shape, std::span<std::uint8_t> frame) {
    const Expected expected{shape.rows, shape.columns, shape.samples, shape.is_rgb};
    Decoder decoder{};
    Samples samples{};
    const bool ok = decode(decoder, encoded.data(), encoded.size(), expected, frame.data(), samples);
    jpeg_destroy_decompress(&decoder.jpeg);
    if (!ok) throw Refused(Reason::decode_failed, "JPEG");
    return samples == Samples::grey  ? Colour::as_data_set_says
           : samples == Samples::rgb ? Colour::rgb
                                     : Colour::ycbcr;
}

}  // namespace staging
