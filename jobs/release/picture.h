#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "core/base/bytes.h"

namespace jobs {

// A picture drawn anew from decoded pixels: 16 levels of each colour (what lies below is invisible and would
// carry text), a palette where there are at most 256 colours, no chunk but IHDR, PLTE, IDAT and IEND, on white
// where it was transparent. The same pixels give the same bytes.
struct Picture {
    core::Bytes png;  // empty: not drawn
    std::string why;  // why not
    std::uint32_t width = 0, height = 0;
};

// Total: any bytes end in a Picture.
Picture redraw(core::ByteView png, std::int64_t pixel_limit);
// The same by `program` (desk.h: picture_program), a process that has nothing but its two ends; within this one if it
// is empty. Throws Error(system) if the program is not there.
Picture redraw_apart(core::ByteView png, std::int64_t pixel_limit, const std::filesystem::path& program);

// As drawn anew. More does not leave, whatever release.toml says: a reviewer is handed it in one answer.
inline constexpr std::uint64_t kPictureLimitBytes = 4 << 20;

}  // namespace jobs
