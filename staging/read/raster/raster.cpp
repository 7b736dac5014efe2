#include "staging/read/raster/raster.h"

#include <cstring>
#include <optional>

#include "staging/read/refused.h"

namespace staging {
namespace {

using namespace std::string_view_literals;

struct Family {
    std::string_view mark, name;
    int (*read)(const RasterJob& job, Pixels& pixels);
};
constexpr Family kFamilies[] = {
    {"\x89PNG\r\n\x1a\n"sv, "PNG", read_png},
    {"\xff\xd8\xff"sv, "JPEG", read_jpeg_file},
    {"II*\0"sv, "TIFF", read_tiff},
    {"MM\0*"sv, "TIFF", read_tiff},
    {"II+\0\x8\0\0\0"sv, "BigTIFF", read_tiff},
    {"MM\0+\0\x8\0\0"sv, "BigTIFF", read_tiff},
};

const Family* family_of(core::ByteView file) {
    for (const Family& family : kFamilies)
        if (core::text(file).starts_with(family.mark)) return &family;
    return nullptr;
}

}  // namespace

bool is_raster(core::ByteView head) {
    return family_of(head) != nullptr;
}

void plan_raster(Pixels& pixels, const Limits& limits) {
    if (pixels.rows == 0 || pixels.columns == 0 || pixels.frames == 0)
        throw Refused(Reason::pixel_size_mismatch);
    check_sides(pixels.rows, pixels.columns);
    const std::uint64_t frame =
        std::uint64_t{pixels.rows} * pixels.columns * pixels.samples * pixel_type_bytes(pixels.type);
    check_pixels(pixels.frames, frame, limits);
    if (pixels.photometric.empty()) pixels.photometric = pixels.samples == 3 ? "RGB" : "MONOCHROME2";
}

int exif_orientation(core::ByteView tiff) {
    const std::string_view mark = core::text(tiff.first(std::min<std::size_t>(tiff.size(), 4)));
    const bool big = mark == std::string_view("MM\0*", 4);
    if (!big && mark != std::string_view("II*\0", 4)) return 1;
    const auto u16 = [&](std::size_t at) -> std::optional<std::uint32_t> {
        if (at + 2 > tiff.size()) return std::nullopt;
        const std::uint32_t a = tiff[at], b = tiff[at + 1];
        return big ? a << 8 | b : b << 8 | a;
    };
    const auto first = u16(big ? 4 : 6), second = u16(big ? 6 : 4);
    if (!first || !second) return 1;
    const std::size_t directory = std::size_t{*first} << 16 | *second;
    const auto count = u16(directory);
    for (std::size_t i = 0; count && i < *count; ++i) {
        const std::size_t entry = directory + 2 + 12 * i;
        const auto tag = u16(entry), value = u16(entry + 8);
        if (!tag || !value) return 1;
        if (*tag == 0x0112) return static_cast<int>(*value);
    }
    return 1;
}

void turn_upright(Pixels& pixels, int orientation, std::span<std::uint8_t> bytes) {
    if (orientation <= 1) return;
    const std::size_t rows = pixels.rows, columns = pixels.columns,
                      pixel = pixels.samples * pixel_type_bytes(pixels.type);
    const bool is_swapped = orientation >= 5;
    const std::size_t to_rows = is_swapped ? columns : rows, to_columns = is_swapped ? rows : columns;
    const core::Bytes from(bytes.begin(), bytes.end());
    for (std::size_t frame = 0; frame < pixels.frames; ++frame) {
        const std::size_t base = frame * rows * columns;
        for (std::size_t r = 0; r < to_rows; ++r)
            for (std::size_t c = 0; c < to_columns; ++c) {
                // Where the pixel that is to be seen at (r, c) is stored.
                std::size_t y = is_swapped ? c : r, x = is_swapped ? r : c;
                if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
                    x = columns - 1 - x;
                if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
                    y = rows - 1 - y;
                std::memcpy(bytes.data() + (base + r * to_columns + c) * pixel,
                            from.data() + (base + y * columns + x) * pixel, pixel);
            }
    }
    pixels.rows = static_cast<std::uint32_t>(to_rows);
    pixels.columns = static_cast<std::uint32_t>(to_columns);
}

namespace {

Record read_as(bool wants_indices, core::ByteView file, const Wanted& wanted, const Limits& limits,
               Depth depth, std::span<std::uint8_t> room) {
    Record record;
    record.file_bytes = file.size();
    record.file_sha256 = core::sha256(file);
    read_or_refuse(record, [&] {
        const Family* family = family_of(file);
        if (!family) throw Refused(Reason::not_recognised);
        record.facts.transfer_syntax = family->name;
        Pixels& pixels = record.pixels;
        const int said = family->read({file, limits, depth, room, wants_indices}, pixels);
        const int orientation = said >= 1 && said <= 8 ? said : 1;
        if (depth == Depth::pixels) {
            const auto out = room.first(pixels.byte_count());
            turn_upright(pixels, orientation, out);
            pixels.bytes = out;
            pixels.sha256 = core::sha256(out);
        } else if (orientation >= 5) {
            std::swap(pixels.rows, pixels.columns);
        }
        pixels.turned = static_cast<std::uint8_t>(orientation);
        record.values.resize(wanted.size());
    });
    return record;
}

}  // namespace

Record read_raster(core::ByteView file, const Wanted& wanted, const Limits& limits, Depth depth,
                   std::span<std::uint8_t> room) {
    return read_as(false, file, wanted, limits, depth, room);
}

Record read_raster_indices(core::ByteView file, const Wanted& wanted, const Limits& limits, Depth depth,
                           std::span<std::uint8_t> room) {
    return read_as(true, file, wanted, limits, depth, room);
}

}  // namespace staging
