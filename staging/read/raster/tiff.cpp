#include <tiffio.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "staging/read/raster/raster.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

[[noreturn]] void unsupported(Word tag) {
    throw Refused(Reason::pixel_format_unsupported, tag);
}
[[noreturn]] void failed() {
    throw Refused(Reason::decode_failed, "TIFF");
}

// libtiff's file: bytes in memory, which cannot be written.
struct Input {
    core::ByteView bytes;
    std::uint64_t at = 0;
};
Input& input_of(thandle_t handle) {
    return *static_cast<Input*>(handle);
}
tmsize_t on_read(thandle_t handle, void* out, tmsize_t count) {
    Input& input = input_of(handle);
    if (count <= 0 || input.at >= input.bytes.size()) return 0;
    const std::size_t n =
        std::min<std::size_t>(static_cast<std::size_t>(count), input.bytes.size() - input.at);
    std::memcpy(out, input.bytes.data() + input.at, n);
    input.at += n;
    return static_cast<tmsize_t>(n);
}
tmsize_t on_write(thandle_t, void*, tmsize_t) {
    return 0;
}
toff_t on_seek(thandle_t handle, toff_t offset, int whence) {
    Input& input = input_of(handle);
    input.at = offset + (whence == SEEK_CUR ? input.at : whence == SEEK_END ? input.bytes.size() : 0);
    return input.at;
}
int on_close(thandle_t) {
    return 0;
}
toff_t on_size(thandle_t handle) {
    return input_of(handle).bytes.size();
}
int on_map(thandle_t, void**, toff_t*) {
    return 0;
}
void on_unmap(thandle_t, void*, toff_t) {}
int silent(TIFF*, void*, const char*, const char*, va_list) {
    return 1;
}

struct Close {
    void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using Tiff = std::unique_ptr<TIFF, Close>;

Tiff open(Input& input, const Limits& limits) {
    TIFFOpenOptions* options = TIFFOpenOptionsAlloc();
    if (!options) throw std::bad_alloc();
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, static_cast<tmsize_t>(limits.pixel_bytes));
    TIFFOpenOptionsSetErrorHandlerExtR(options, silent, nullptr);
    TIFFOpenOptionsSetWarningHandlerExtR(options, silent, nullptr);
    Tiff tiff(TIFFClientOpenExt("", "rm", &input, on_read, on_write, on_seek, on_close, on_size, on_map,
                                on_unmap, options));
    TIFFOpenOptionsFree(options);
    if (!tiff) failed();
    return tiff;
}

template <class T>
T field(TIFF* tiff, std::uint32_t tag, T otherwise) {
    T value = otherwise;
    return TIFFGetFieldDefaulted(tiff, tag, &value) ? value : otherwise;
}

// What one page is like.
struct Page {
    std::uint32_t rows = 0, columns = 0;
    std::uint16_t bits = 1, samples = 1, format = SAMPLEFORMAT_UINT, photometric = PHOTOMETRIC_MINISBLACK,
                  planar = PLANARCONFIG_CONTIG, orientation = 1;
    bool has_alpha = false;
    bool operator==(const Page&) const = default;
    bool is_palette() const { return photometric == PHOTOMETRIC_PALETTE; }
    std::uint32_t colours() const { return samples - (has_alpha ? 1u : 0u); }
};

Page page_of(TIFF* tiff) {
    Page page;
    page.rows = field<std::uint32_t>(tiff, TIFFTAG_IMAGELENGTH, 0);
    page.columns = field<std::uint32_t>(tiff, TIFFTAG_IMAGEWIDTH, 0);
    page.bits = field<std::uint16_t>(tiff, TIFFTAG_BITSPERSAMPLE, 1);
    page.samples = field<std::uint16_t>(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
    page.format = field<std::uint16_t>(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
    page.planar = field<std::uint16_t>(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    page.orientation = field<std::uint16_t>(tiff, TIFFTAG_ORIENTATION, 1);
    std::uint16_t extra = 0, *kinds = nullptr;
    if (TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extra, &kinds) && extra > 0) page.has_alpha = true;
    if (extra > 1) unsupported("ExtraSamples");
    if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &page.photometric)) unsupported("PhotometricInterpretation");
    if (page.photometric == PHOTOMETRIC_YCBCR) {
        if (field<std::uint16_t>(tiff, TIFFTAG_COMPRESSION, 1) != COMPRESSION_JPEG)
            unsupported("PhotometricInterpretation");
        TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
        page.photometric = PHOTOMETRIC_RGB;
    }
    const bool is_grey = page.photometric == PHOTOMETRIC_MINISBLACK ||
                         page.photometric == PHOTOMETRIC_MINISWHITE || page.is_palette();
    if (!is_grey && page.photometric != PHOTOMETRIC_RGB) unsupported("PhotometricInterpretation");
    if (page.colours() != (is_grey ? 1u : 3u)) unsupported("SamplesPerPixel");
    return page;
}

PixelType type_of(const Page& page) {
    if (page.is_palette() && (page.bits != 8 || page.format != SAMPLEFORMAT_UINT))
        unsupported("BitsPerSample");
    const bool is_signed = page.format == SAMPLEFORMAT_INT, is_real = page.format == SAMPLEFORMAT_IEEEFP;
    if (!is_signed && !is_real && page.format != SAMPLEFORMAT_UINT && page.format != SAMPLEFORMAT_VOID)
        unsupported("SampleFormat");
    switch (page.bits) {
        case 1:
            if (is_signed || is_real || page.samples != 1) break;
            return PixelType::u8;
        case 8:
            if (is_real) break;
            return is_signed ? PixelType::i8 : PixelType::u8;
        case 16:
            if (is_real) break;
            return is_signed ? PixelType::i16 : PixelType::u16;
        case 32:
            return is_real ? PixelType::f32 : is_signed ? PixelType::i32 : PixelType::u32;
        case 64:
            if (is_real) return PixelType::f64;
            break;
        default:
            break;
    }
    unsupported("BitsPerSample");
}

// A strip or a tile: `rows` x `columns` pixels of `channels` samples each, at (row, column) of the page.
struct Block {
    std::uint32_t row, column, rows, columns, stride_columns;
    std::uint16_t sample, channels;
};

// Puts a block where it belongs; alpha must be opaque and is dropped.
void place(const Page& page, const Block& block, const std::uint8_t* from, Pixels& pixels,
           std::uint8_t* frame) {
    const std::size_t word = pixel_type_bytes(pixels.type);
    if (page.bits == 1) {
        const std::size_t stride = (std::size_t{block.stride_columns} + 7) / 8;
        for (std::uint32_t r = 0; r < block.rows; ++r)
            for (std::uint32_t c = 0; c < block.columns; ++c)
                frame[std::size_t{block.row + r} * page.columns + block.column + c] =
                    from[r * stride + c / 8] >> (7 - c % 8) & 1;
        return;
    }
    const std::uint32_t colours = page.colours();
    for (std::uint32_t r = 0; r < block.rows; ++r)
        for (std::uint32_t c = 0; c < block.columns; ++c)
            for (std::uint16_t s = 0; s < block.channels; ++s) {
                const std::uint8_t* value =
                    from + ((std::size_t{r} * block.stride_columns + c) * block.channels + s) * word;
                const std::uint32_t sample = block.sample + s;
                if (sample >= colours) {
                    for (std::size_t i = 0; i < word; ++i)
                        if (value[i] != 0xff) unsupported("transparency");
                    continue;
                }
                const std::size_t at =
                    (std::size_t{block.row + r} * page.columns + block.column + c) * colours + sample;
                std::memcpy(frame + at * word, value, word);
            }
}

void read_frame(TIFF* tiff, const Page& page, const Limits& limits, Pixels& pixels, std::uint8_t* frame) {
    const bool is_tiled = TIFFIsTiled(tiff) != 0;
    const auto size = static_cast<std::uint64_t>(is_tiled ? TIFFTileSize64(tiff) : TIFFStripSize64(tiff));
    if (size == 0) failed();
    check_pixels(1, size, limits);
    core::Bytes buffer(size);
    const std::uint16_t planes = page.planar == PLANARCONFIG_SEPARATE ? page.samples : 1;
    const std::uint16_t channels = planes == 1 ? page.samples : 1;
    std::uint32_t wide = page.columns,
                  high = std::min(field<std::uint32_t>(tiff, TIFFTAG_ROWSPERSTRIP, page.rows), page.rows);
    if (is_tiled) {
        wide = field<std::uint32_t>(tiff, TIFFTAG_TILEWIDTH, 0);
        high = field<std::uint32_t>(tiff, TIFFTAG_TILELENGTH, 0);
    }
    if (wide == 0 || high == 0) failed();
    for (std::uint16_t plane = 0; plane < planes; ++plane)
        for (std::uint32_t row = 0; row < page.rows; row += high)
            for (std::uint32_t column = 0; column < page.columns; column += wide) {
                const Block block{row,
                                  column,
                                  std::min(high, page.rows - row),
                                  std::min(wide, page.columns - column),
                                  wide,
                                  plane,
                                  channels};
                const auto all = static_cast<tmsize_t>(size);
                const tmsize_t got =
                    is_tiled
                        ? TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, column, row, 0, plane),
                                              buffer.data(), all)
                        : TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, row, plane), buffer.data(), all);
                const std::size_t row_bytes = (std::size_t{wide} * channels * page.bits + 7) / 8;
                if (got < static_cast<tmsize_t>(row_bytes * block.rows)) failed();
                place(page, block, buffer.data(), pixels, frame);
                if (wide == 0xffffffff) break;
            }
}

// The colours of the page that is read, opaque, as Pixels has them. What is dark is not taken for black.
std::string palette_of(TIFF* tiff, const Page& page) {
    std::uint16_t* parts[3] = {};
    if (page.bits > 8 || !TIFFGetField(tiff, TIFFTAG_COLORMAP, &parts[0], &parts[1], &parts[2]))
        unsupported("ColorMap");
    std::string palette;
    for (std::size_t i = 0; i < std::size_t{1} << page.bits; ++i) {
        for (const std::uint16_t* part : parts)
            palette += static_cast<char>(part[i] >> 8 ? part[i] >> 8 : part[i] != 0);
        palette += '\xff';
    }
    return palette;
}

// Colour maps hold 16 bits; 8 of them are what every writer fills.
void apply_palette(TIFF* tiff, std::size_t count, std::uint8_t* frame) {
    std::uint16_t *red = nullptr, *green = nullptr, *blue = nullptr;
    if (!TIFFGetField(tiff, TIFFTAG_COLORMAP, &red, &green, &blue)) unsupported("ColorMap");
    for (std::size_t i = count; i-- > 0;) {  // from the end: three bytes grow out of one
        const std::uint8_t index = frame[i];
        frame[3 * i] = static_cast<std::uint8_t>(red[index] >> 8);
        frame[3 * i + 1] = static_cast<std::uint8_t>(green[index] >> 8);
        frame[3 * i + 2] = static_cast<std::uint8_t>(blue[index] >> 8);
    }
}

}  // namespace

int read_tiff(const RasterJob& job, Pixels& pixels) {
    Input input{job.file};
    const Tiff tiff = open(input, job.limits);
    Page first;
    std::vector<std::uint16_t> pages;
    const auto indices = [&](const Page& page) {
        return page.is_palette() && job.wants_indices ? palette_of(tiff.get(), page) : std::string();
    };
    while (true) {
        if (!(field<std::uint32_t>(tiff.get(), TIFFTAG_SUBFILETYPE, 0) & FILETYPE_REDUCEDIMAGE)) {
            const Page page = page_of(tiff.get());
            if (pages.empty()) first = page, pixels.palette = indices(page);
            if (page != first) throw Refused(Reason::pixel_size_mismatch, "pages");
            if (indices(page) != pixels.palette) unsupported("ColorMap");  // one number, two colours
            if (pages.size() >= 0xfffe) throw Refused(Reason::too_many_elements, "pages");
            pages.push_back(static_cast<std::uint16_t>(TIFFCurrentDirectory(tiff.get())));
        }
        if (TIFFLastDirectory(tiff.get())) break;
        if (!TIFFReadDirectory(tiff.get())) failed();  // another page is promised and cannot be read
    }
    if (pages.empty()) throw Refused(Reason::no_pixel_data);

    pixels.frames = static_cast<std::uint32_t>(pages.size());
    pixels.rows = first.rows;
    pixels.columns = first.columns;
    pixels.type = type_of(first);
    const bool has_colours = first.is_palette() && !job.wants_indices;
    pixels.samples = has_colours ? 3 : first.colours();
    pixels.bits_allocated = static_cast<std::uint16_t>(8 * pixel_type_bytes(pixels.type));
    pixels.bits_stored = first.bits;
    if (first.photometric == PHOTOMETRIC_MINISWHITE) pixels.photometric = "MONOCHROME1";
    plan_raster(pixels, job.limits);
    if (job.depth == Depth::header) return first.orientation;
    const std::size_t frame_bytes = pixels.byte_count() / pixels.frames;
    for (std::size_t i = 0; i < pages.size(); ++i) {
        if (!TIFFSetDirectory(tiff.get(), pages[i])) failed();
        page_of(tiff.get());  // the colour mode is the page's
        std::uint8_t* frame = job.room.data() + i * frame_bytes;
        read_frame(tiff.get(), first, job.limits, pixels, frame);
        if (has_colours) apply_palette(tiff.get(), frame_bytes / 3, frame);
    }
    return first.orientation;
}

}  // namespace staging
