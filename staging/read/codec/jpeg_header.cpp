#include "staging/read/codec/jpeg_header.h"

namespace staging {

std::optional<JpegHeader> read_jpeg_header(core::ByteView jpeg) {
    if (jpeg.size() < 4 || jpeg[0] != 0xff || jpeg[1] != 0xd8) return std::nullopt;
    for (std::size_t at = 2; at + 4 <= jpeg.size();) {
        if (jpeg[at] != 0xff) return std::nullopt;
        const std::uint8_t marker = jpeg[at + 1];
        if (marker == 0xff) {  // a fill byte
            ++at;
            continue;
        }
        if (marker == 0xda || marker == 0xd9 || marker == 0xd8) return std::nullopt;
        const std::size_t length = std::size_t{jpeg[at + 2]} << 8 | jpeg[at + 3];
        if (length < 2 || length > jpeg.size() - at - 2) return std::nullopt;
        const bool is_table = marker == 0xc4 || marker == 0xc8 || marker == 0xcc;  // DHT, JPG, DAC
        if (marker >= 0xc0 && marker <= 0xcf && !is_table) {
            if (length < 8) return std::nullopt;
            const auto u16 = [&](std::size_t i) {
                return static_cast<std::uint16_t>(jpeg[at + i] << 8 | jpeg[at + i + 1]);
            };
            return JpegHeader{static_cast<std::uint8_t>(marker - 0xc0), jpeg[at + 4], u16(5), u16(7),
                              jpeg[at + 9]};
        }
        at += 2 + length;
    }
    return std::nullopt;
}

}  // namespace staging
