#include "jobs/release/picture.h"

#include <png.h>

#include <csetjmp>
#include <map>
#include <memory>
#include <vector>

#include "core/base/child.h"

namespace jobs {
namespace {

struct Pixels {
    std::uint32_t width = 0, height = 0;
    core::Bytes rgb;      // [height, width, 3]
    core::Bytes indices;  // [height, width], where a palette was enough
    std::vector<png_color> palette;
};

void append(png_structp png, png_bytep bytes, std::size_t size) {
    auto& out = *static_cast<core::Bytes*>(png_get_io_ptr(png));
    try {
        out.insert(out.end(), bytes, bytes + size);
    } catch (...) {
        png_error(png, "no memory");  // no exception may pass through a C library
    }
}
void no_flush(png_structp) {}
void fail(png_structp png, png_const_charp) {
    png_longjmp(png, 1);
}
void be_quiet(png_structp, png_const_charp) {}

// Nothing in here has a destructor: libpng leaves by longjmp.
bool encode(const Pixels& pixels, core::Bytes& out, png_structp png, png_infop info) {
    if (setjmp(png_jmpbuf(png))) return false;
    const bool palette = !pixels.palette.empty();
    png_set_write_fn(png, &out, append, no_flush);
    png_set_compression_level(png, 9);
    png_set_filter(png, 0, palette ? PNG_FILTER_NONE : PNG_ALL_FILTERS);
    png_set_IHDR(png, info, pixels.width, pixels.height, 8,
                 palette ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (palette) png_set_PLTE(png, info, pixels.palette.data(), static_cast<int>(pixels.palette.size()));
    png_write_info(png, info);
    const std::size_t stride = std::size_t{pixels.width} * (palette ? 1 : 3);
    const std::uint8_t* row = palette ? pixels.indices.data() : pixels.rgb.data();
    for (std::uint32_t y = 0; y < pixels.height; ++y, row += stride) png_write_row(png, row);
    png_write_end(png, nullptr);
    return true;
}

std::uint8_t coarse(std::uint8_t value) {
    return static_cast<std::uint8_t>((value * 15 + 127) / 255 * 17);
}

// The colours in the order of their values: an order of the author's would be a message.
void find_palette(Pixels& pixels) {
    std::map<std::uint32_t, std::uint8_t> colours;
    const auto colour = [&](std::size_t at) {
        return std::uint32_t{pixels.rgb[at]} << 16 | std::uint32_t{pixels.rgb[at + 1]} << 8 |
               pixels.rgb[at + 2];
    };
    for (std::size_t at = 0; at < pixels.rgb.size(); at += 3) {
        colours.emplace(colour(at), std::uint8_t{0});
        if (colours.size() > 256) return;
    }
    for (auto& [value, index] : colours) {
        index = static_cast<std::uint8_t>(pixels.palette.size());
        pixels.palette.push_back({static_cast<png_byte>(value >> 16), static_cast<png_byte>(value >> 8 & 255),
                                  static_cast<png_byte>(value & 255)});
    }
    pixels.indices.reserve(pixels.rgb.size() / 3);
    for (std::size_t at = 0; at < pixels.rgb.size(); at += 3)
        pixels.indices.push_back(colours.at(colour(at)));
}

}  // namespace

Picture redraw(core::ByteView png, std::int64_t pixel_limit) {
    Picture picture;
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    const std::unique_ptr<png_image, decltype(&png_image_free)> owner(&image, png_image_free);
    if (!png_image_begin_read_from_memory(&image, png.data(), png.size())) {
        picture.why = "not a PNG picture";
        return picture;
    }
    if (static_cast<std::int64_t>(image.width) * image.height > pixel_limit) {
        picture.why = "more than " + std::to_string(pixel_limit) + " pixels; draw it smaller";
        return picture;
    }
    Pixels pixels;
    image.format = PNG_FORMAT_RGB;
    pixels.width = image.width;
    pixels.height = image.height;
    pixels.rgb.resize(PNG_IMAGE_SIZE(image));
    const png_color white{255, 255, 255};
    if (!png_image_finish_read(&image, &white, pixels.rgb.data(), 0, nullptr)) {
        picture.why = "damaged: its pixels cannot be read";
        return picture;
    }
    for (std::uint8_t& value : pixels.rgb) value = coarse(value);
    find_palette(pixels);
    png_structp writer = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, fail, be_quiet);
    png_infop info = writer ? png_create_info_struct(writer) : nullptr;
    if (info && encode(pixels, picture.png, writer, info)) {
        picture.width = pixels.width;
        picture.height = pixels.height;
    } else {
        picture.png.clear();
        picture.why = "cannot be drawn anew";
    }
    png_destroy_write_struct(&writer, &info);
    return picture;
}

Picture redraw_apart(core::ByteView png, std::int64_t pixel_limit, const std::filesystem::path& program) {
    if (program.empty()) return redraw(png, pixel_limit);
    Picture picture;
    const core::Finished finished =
        core::run_program({program.string(), std::to_string(pixel_limit)}, std::string(core::text(png)));
    // What a child says that decoded a hostile file is as hostile: a few words of its own are known.
    if (finished.code != 0)
        picture.why = "not a PNG picture that can be drawn, or too large";
    else
        picture.png = core::Bytes(finished.output.begin(), finished.output.end());
    return picture;
}

}  // namespace jobs
