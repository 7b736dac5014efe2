#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>

#include "staging/read/raster/raster.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

struct Input {
    const std::uint8_t* at;
    std::size_t left;
};

// libpng leaves by longjmp: what it calls and what calls it holds nothing with a destructor.
void on_read(png_structp png, png_bytep out, png_size_t count) {
    auto* input = static_cast<Input*>(png_get_io_ptr(png));
    if (count > input->left) png_error(png, "");
    std::memcpy(out, input->at, count);
    input->at += count;
    input->left -= count;
}
void on_error(png_structp png, png_const_charp) {
    png_longjmp(png, 1);
}
void on_warning(png_structp, png_const_charp) {}

struct Header {
    png_uint_32 columns = 0, rows = 0;
    int depth = 0, channels = 0;
    bool is_palette = false, has_key = false;
};

struct Decoder {
    png_structp png = nullptr;
    png_infop info = nullptr;
    Input input{};
    ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
};

bool read_header(Decoder& decoder, Header& header) {
    if (setjmp(png_jmpbuf(decoder.png))) return false;
    png_set_user_limits(decoder.png, 0xffff, 0xffff);
    png_set_chunk_cache_max(decoder.png, 100);
    png_set_chunk_malloc_max(decoder.png, 4 << 20);
    png_set_read_fn(decoder.png, &decoder.input, on_read);
    png_read_info(decoder.png, decoder.info);
    header.columns = png_get_image_width(decoder.png, decoder.info);
    header.rows = png_get_image_height(decoder.png, decoder.info);
    header.depth = png_get_bit_depth(decoder.png, decoder.info);
    header.is_palette = png_get_color_type(decoder.png, decoder.info) == PNG_COLOR_TYPE_PALETTE;
    header.has_key = png_get_valid(decoder.png, decoder.info, PNG_INFO_tRNS) != 0;
    if (header.is_palette) png_set_palette_to_rgb(decoder.png);
    if (header.depth < 8) png_set_packing(decoder.png);  // a byte for each sample; values stay as they are
    if (header.depth == 16) png_set_swap(decoder.png);
    png_set_interlace_handling(decoder.png);
    png_read_update_info(decoder.png, decoder.info);
    header.channels = png_get_channels(decoder.png, decoder.info);
    return true;
}

bool read_rows(Decoder& decoder, png_bytepp rows) {
    if (setjmp(png_jmpbuf(decoder.png))) return false;
    png_read_image(decoder.png, rows);
    png_read_end(decoder.png, nullptr);
    return true;
}

}  // namespace

int read_png(const RasterJob& job, Pixels& pixels) {
    Decoder decoder;
    decoder.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, on_error, on_warning);
    if (!decoder.png) throw std::bad_alloc();
    decoder.info = png_create_info_struct(decoder.png);
    if (!decoder.info) throw std::bad_alloc();
    decoder.input = {job.file.data(), job.file.size()};
    Header header;
    if (!read_header(decoder, header)) throw Refused(Reason::decode_failed, "PNG");
    if (header.has_key) throw Refused(Reason::pixel_format_unsupported, "transparency");

    pixels.frames = 1;
    pixels.rows = header.rows;
    pixels.columns = header.columns;
    const bool has_alpha = header.channels == 2 || header.channels == 4;
    pixels.samples = static_cast<std::uint32_t>(header.channels - (has_alpha ? 1 : 0));
    pixels.type = header.depth == 16 ? PixelType::u16 : PixelType::u8;
    pixels.bits_allocated = header.depth == 16 ? 16 : 8;
    pixels.bits_stored = header.is_palette ? 8 : static_cast<std::uint16_t>(header.depth);
    plan_raster(pixels, job.limits);
    if (job.depth == Depth::header) return 1;

    const std::size_t word = pixel_type_bytes(pixels.type);
    const std::size_t row_bytes =
        std::size_t{pixels.columns} * static_cast<std::size_t>(header.channels) * word;
    core::Bytes with_alpha(has_alpha ? row_bytes * pixels.rows : 0);
    std::uint8_t* const base = has_alpha ? with_alpha.data() : job.room.data();
    std::vector<png_bytep> rows(pixels.rows);
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = base + i * row_bytes;
    if (!read_rows(decoder, rows.data())) throw Refused(Reason::decode_failed, "PNG");
    if (!has_alpha) return 1;

    const std::size_t kept = pixels.samples * word;
    std::uint8_t* to = job.room.data();
    for (std::size_t at = 0; at < with_alpha.size(); at += kept + word) {
        for (std::size_t i = 0; i < word; ++i)
            if (with_alpha[at + kept + i] != 0xff)
                throw Refused(Reason::pixel_format_unsupported, "transparency");
        to = std::copy_n(with_alpha.data() + at, kept, to);
    }
    return 1;
}

}  // namespace staging
