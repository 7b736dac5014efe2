#pragma once
#include <cstdint>
#include <optional>

#include "core/base/bytes.h"

namespace staging {

// A JPEG's frame header (ISO/IEC 10918-1 section B.2.2): known before a library allocates anything by it.
struct JpegHeader {
    std::uint8_t process = 0;  // of SOFn: 0 baseline, 1 extended, 3 lossless, ...
    std::uint8_t precision = 0;
    std::uint16_t rows = 0, columns = 0;
    std::uint8_t components = 0;
};

// The first frame header in front of the first scan; nullopt if there is none, or markers are broken before it.
std::optional<JpegHeader> read_jpeg_header(core::ByteView jpeg);

}  // namespace staging
