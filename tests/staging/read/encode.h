#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace test {

// A picture to encode: samples interleaved, each below 2^bits (signed ones as the pattern of their bits).
struct Picture {
    unsigned rows = 0, columns = 0, samples = 1, bits = 8;
    std::vector<std::uint16_t> values;
    std::string bytes(unsigned allocated) const;  // little endian
};
// Something that no codec finds trivial, the same each time.
Picture picture(unsigned rows, unsigned columns, unsigned samples, unsigned bits);

// Codestreams as DICOM wants them, each by its own library. All but the last are without loss.
std::string jpeg_lossless(const Picture& picture, int predictor = 1);
std::string jpeg_ls(const Picture& picture, bool by_plane = false);
std::string jpeg_2000(const Picture& picture, bool is_signed = false);
std::string jpeg_xl(const Picture& picture);
std::string deflated_frame(const Picture& picture, unsigned allocated);
std::string jpeg_12_bits(const Picture& picture);

}  // namespace test
