#include <png.h>
#include <zlib.h>

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
    bool is_palette = false, has_indices = false, has_key = false;
    std::uint8_t palette[256][4];  // red, green, blue, opacity
    int colours = 0;
};

struct Decoder {
    png_structp png = nullptr;
    png_infop info = nullptr;
    Input input{};
    ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
};

void read_palette(Decoder& decoder, bool has_opacity, Header& header) {
    png_colorp colours = nullptr;
    png_bytep opacity = nullptr;
    int opacities = 0;
    if (!png_get_PLTE(decoder.png, decoder.info, &colours, &header.colours)) png_error(decoder.png, "");
    if (has_opacity) png_get_tRNS(decoder.png, decoder.info, &opacity, &opacities, nullptr);
    for (int i = 0; i < header.colours; ++i) {
        const std::uint8_t opaque = i < opacities ? opacity[i] : 0xff;
        const std::uint8_t colour[4] = {colours[i].red, colours[i].green, colours[i].blue, opaque};
        std::copy_n(colour, 4, header.palette[i]);
    }
}

bool read_header(Decoder& decoder, bool wants_indices, Header& header) {
    if (setjmp(png_jmpbuf(decoder.png))) return false;
    png_set_user_limits(decoder.png, 0xffff, 0xffff);
    png_set_chunk_cache_max(decoder.png, 100);
    png_set_chunk_malloc_max(decoder.png, 4 << 20);
    // Of the others none is looked at. That limit only warns (PNG_FLAG_BENIGN_ERRORS_WARN), and libpng makes room for as much as a chunk
    // says to hold before it has come: they are passed over, all but IHDR, PLTE, tRNS, IDAT and IEND.
    png_set_keep_unknown_chunks(decoder.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_set_read_fn(decoder.png, &decoder.input, on_read);
    png_read_info(decoder.png, decoder.info);
    header.columns = png_get_image_width(decoder.png, decoder.info);
    header.rows = png_get_image_height(decoder.png, decoder.info);
    header.depth = png_get_bit_depth(decoder.png, decoder.info);
    const bool has_palette = png_get_color_type(decoder.png, decoder.info) == PNG_COLOR_TYPE_PALETTE;
    header.has_indices = has_palette && wants_indices;
    header.is_palette = has_palette && !header.has_indices;
    const bool has_key = png_get_valid(decoder.png, decoder.info, PNG_INFO_tRNS) != 0;
    header.has_key = has_key && !header.has_indices;
    if (header.has_indices) read_palette(decoder, has_key, header);
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

// In an eXIf chunk, before the pixels or behind them (PNG, third edition, section 11.3.4.5): libpng tells only of what
// it has passed, and a header's shape is asked for without the pixels.
int orientation_of(core::ByteView file) {
    const auto u32 = [&](std::size_t at) {
        return std::uint32_t{file[at]} << 24 | std::uint32_t{file[at + 1]} << 16 |
               std::uint32_t{file[at + 2]} << 8 | file[at + 3];
    };
    for (std::size_t at = 8; file.size() - at >= 12;) {
        const std::size_t length = u32(at);
        if (length > file.size() - at - 12) return 1;
        const core::ByteView named = file.subspan(at + 4, 4 + length);
        if (core::text(named).starts_with("eXIf")) {
            if (crc32(0, named.data(), static_cast<uInt>(named.size())) != u32(at + 8 + length))
                throw Refused(Reason::decode_failed, "PNG");
            return exif_orientation(named.subspan(4));
        }
        at += 12 + length;
    }
    return 1;
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
    if (!read_header(decoder, job.wants_indices, header)) throw Refused(Reason::decode_failed, "PNG");
    if (header.has_key) throw Refused(Reason::pixel_format_unsupported, "transparency");

    pixels.frames = 1;
    pixels.rows = header.rows;
    pixels.columns = header.columns;
    const bool has_alpha = header.channels == 2 || header.channels == 4;
    pixels.samples = static_cast<std::uint32_t>(header.channels - (has_alpha ? 1 : 0));
    pixels.type = header.depth == 16 ? PixelType::u16 : PixelType::u8;
    pixels.bits_allocated = header.depth == 16 ? 16 : 8;
    pixels.bits_stored = header.is_palette ? 8 : static_cast<std::uint16_t>(header.depth);
    if (header.has_indices)
        pixels.palette.assign(reinterpret_cast<const char*>(header.palette),
                              4 * static_cast<std::size_t>(header.colours));
    plan_raster(pixels, job.limits);
    const int orientation = orientation_of(job.file);
    if (job.depth == Depth::header) return orientation;

    const std::size_t word = pixel_type_bytes(pixels.type);
    const std::size_t row_bytes =
        std::size_t{pixels.columns} * static_cast<std::size_t>(header.channels) * word;
    core::Bytes with_alpha(has_alpha ? row_bytes * pixels.rows : 0);
    std::uint8_t* const base = has_alpha ? with_alpha.data() : job.room.data();
    std::vector<png_bytep> rows(pixels.rows);
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = base + i * row_bytes;
    if (!read_rows(decoder, rows.data())) throw Refused(Reason::decode_failed, "PNG");
    if (!has_alpha) return orientation;

    const std::size_t kept = pixels.samples * word;
    std::uint8_t* to = job.room.data();
    for (std::size_t at = 0; at < with_alpha.size(); at += kept + word) {
        for (std::size_t i = 0; i < word; ++i)
            if (with_alpha[at + kept + i] != 0xff)
                throw Refused(Reason::pixel_format_unsupported, "transparency");
        to = std::copy_n(with_alpha.data() + at, kept, to);
    }
    return orientation;
}

}  // namespace staging
