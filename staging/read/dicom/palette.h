#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/base/bytes.h"

namespace staging {

// Palette Color Lookup Table module (PS3.3 section C.7.9) as found: views into the file.
struct Palette {
    struct Table {
        core::ByteView descriptor, data, segmented;
    };
    std::array<Table, 3> tables;  // red, green, blue
    bool big_endian = false;
};

// Colours to map to, ready to use.
class PaletteColours {
public:
    // `is_signed`: PixelRepresentation of the indices. Throws Refused(missing_attribute | pixel_format_unsupported).
    PaletteColours(const Palette& palette, bool is_signed);

    // Red, green and blue of 8 bits; entries of 16 bits are cut to their upper byte. An index below the first that
    // is mapped is the first's colour, one above the last the last's.
    std::array<std::uint8_t, 3> operator[](std::int64_t index) const noexcept;

private:
    std::array<std::vector<std::uint8_t>, 3> entries_;
    std::int64_t first_ = 0;
};

}  // namespace staging
