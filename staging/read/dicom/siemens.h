#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/base/bytes.h"
#include "staging/read/record.h"

namespace staging {

// Private attributes of Siemens' that are read because a volume cannot be understood without them; none of them is
// ever kept. Only where their private creators say that they are Siemens'.
struct SiemensHeader {
    std::string_view creator_0019, creator_0029;  // (0019,0010), (0029,0010), trimmed
    std::optional<std::uint16_t> images;          // (0019,100A) NumberOfImagesInMosaic
    core::ByteView csa;                           // (0029,1010) CSAImageHeaderInfo
};

constexpr bool is_siemens(std::uint32_t tag) {
    return tag == 0x00190010 || tag == 0x0019100a || tag == 0x00290010 || tag == 0x00291010;
}

// The slices of a volume side by side in one picture.
struct Mosaic {
    std::uint32_t images = 0;
    std::optional<std::array<double, 3>>
        normal;  // a unit vector from each slice to the next; absent: not known
};

// Whether a file is a mosaic, and of how many slices. The CSA header (both of its forms) is read without trust: every
// count and length is checked against the bytes there are, and nothing is allocated by them.
std::optional<Mosaic> find_mosaic(const SiemensHeader& header, std::string_view image_type);

// Cuts the picture into its slices, in place: record.pixels has `images` frames afterwards, record.frames one for
// each, its position moved from the picture's corner to the slice's. Where the direction of slices or their distance
// is not told, frames have no position. A picture that does not divide into tiles is left as it is. `pixels` are
// the decoded bytes, empty where only the header is read. Whether it was cut.
bool cut_mosaic(const Mosaic& mosaic, Record& record, std::span<std::uint8_t> pixels);

// The numbers of one attribute of a CSA header; nothing unless there are exactly `count` of them. For tests.
std::optional<std::array<double, 3>> csa_vector(core::ByteView csa, std::string_view name);

}  // namespace staging
