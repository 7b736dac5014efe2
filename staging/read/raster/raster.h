#pragma once
#include <span>

#include "core/base/bytes.h"
#include "staging/read/record.h"

namespace staging {

// Pictures without a header of their own about patients: PNG (ISO/IEC 15948), JPEG (ISO/IEC 10918-1, 8 bits,
// sequential or progressive) and TIFF (revision 6, BigTIFF; strips or tiles, pages as frames). Text, EXIF, XMP
// and every other chunk or tag has no way in; only Orientation is obeyed, so that a picture stands upright.
bool is_raster(core::ByteView head);

// One picture to a Record. Palettes are applied (RGB, 8 bits), or left aside: then the numbers of colours are the samples,
// which are what a mask says, and `palette` says what colours they are. WhiteIsZero is told as MONOCHROME1, as stored;
// pictures with transparency are refused (pixel_format_unsupported), since what a transparent pixel shows is
// undefined. Never throws for what is in the file, but for memory (std::bad_alloc).
Record read_raster(core::ByteView file, const Wanted& wanted, const Limits& limits, Depth depth,
                   std::span<std::uint8_t> pixels);
Record read_raster_indices(core::ByteView file, const Wanted& wanted, const Limits& limits, Depth depth,
                           std::span<std::uint8_t> pixels);

// The parts, one for each family. Each fills `record`'s pixels and, at Depth::pixels, `room`; returns the
// orientation as the file has it: EXIF's numbers, 1 to 8, and others stand for 1. Each throws Refused.
struct RasterJob {
    core::ByteView file;
    const Limits& limits;
    Depth depth;
    std::span<std::uint8_t> room;
    bool wants_indices;  // no palette is applied
};
int read_png(const RasterJob& job, Pixels& pixels);
int read_jpeg_file(const RasterJob& job, Pixels& pixels);
int read_tiff(const RasterJob& job, Pixels& pixels);

// Sets type and byte order of a picture and checks its size. Throws Refused(pixels_too_large |
// pixel_size_mismatch).
void plan_raster(Pixels& pixels, const Limits& limits);

// Orientation in a file of EXIF (JEITA CP-3451, tag 0x0112 of IFD0), of a JPEG or a PNG; 1 if it is not there or not
// sound. Nothing else of EXIF is looked at.
int exif_orientation(core::ByteView tiff);

// Turns the frames in `bytes` upright, and swaps rows and columns where `orientation`, 1 to 8, is 5 or more (TIFF 6,
// Orientation).
void turn_upright(Pixels& pixels, int orientation, std::span<std::uint8_t> bytes);

}  // namespace staging
