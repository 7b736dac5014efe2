#include <turbojpeg.h>

#include <memory>

#include "staging/read/raster/raster.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

struct Destroy {
    void operator()(void* handle) const { tjDestroy(handle); }
};

// The segments before the first scan (ISO/IEC 10918-1 annex B).
int orientation_of(core::ByteView file) {
    for (std::size_t at = 2; at + 4 <= file.size() && file[at] == 0xff;) {
        const std::uint8_t marker = file[at + 1];
        if (marker == 0xff) {
            ++at;
            continue;
        }
        const std::size_t length = std::size_t{file[at + 2]} << 8 | file[at + 3];
        if (marker == 0xda || length < 2 || length + 2 > file.size() - at) return 1;
        const core::ByteView segment = file.subspan(at + 4, length - 2);
        if (marker == 0xe1 && core::text(segment).starts_with(std::string_view("Exif\0\0", 6)))
            return exif_orientation(segment.subspan(6));
        at += 2 + length;
    }
    return 1;
}

}  // namespace

int read_jpeg_file(const RasterJob& job, Pixels& pixels) {
    const std::unique_ptr<void, Destroy> jpeg(tjInitDecompress());
    if (!jpeg) throw std::bad_alloc();
    int columns = 0, rows = 0, subsampling = 0, colours = 0;
    if (tjDecompressHeader3(jpeg.get(), job.file.data(), job.file.size(), &columns, &rows, &subsampling,
                            &colours) != 0 ||
        columns < 1 || rows < 1)
        throw Refused(Reason::decode_failed, "JPEG");
    if (colours == TJCS_CMYK || colours == TJCS_YCCK)
        throw Refused(Reason::pixel_format_unsupported, "four colours");
    pixels.frames = 1;
    pixels.rows = static_cast<std::uint32_t>(rows);
    pixels.columns = static_cast<std::uint32_t>(columns);
    pixels.samples = colours == TJCS_GRAY ? 1 : 3;
    pixels.type = PixelType::u8;
    pixels.bits_allocated = pixels.bits_stored = 8;
    plan_raster(pixels, job.limits);
    const int orientation = orientation_of(job.file);
    if (job.depth == Depth::header) return orientation;
    // A warning is data that are missing or damaged, for which grey would be made up.
    if (tjDecompress2(jpeg.get(), job.file.data(), job.file.size(), job.room.data(), columns, 0, rows,
                      pixels.samples == 1 ? TJPF_GRAY : TJPF_RGB,
                      TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) != 0)
        throw Refused(Reason::decode_failed, "JPEG");
    return orientation;
}

}  // namespace staging
