#include "staging/read/dicom/syntax.h"

#include <algorithm>

namespace staging {
namespace {

constexpr auto kNo = Codec::unsupported;
constexpr Syntax kSyntaxes[] = {
    {"1.2.840.10008.1.2", "Implicit VR Little Endian", Codec::native, false},
    {"1.2.840.10008.1.2.1", "Explicit VR Little Endian", Codec::native},
    {"1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian", Codec::native, true, false, true},
    {"1.2.840.10008.1.2.2", "Explicit VR Big Endian", Codec::native, true, true},
    {"1.2.840.10008.1.2.5", "RLE Lossless", Codec::rle},
    {"1.2.840.10008.1.2.4.50", "JPEG Baseline (Process 1)", Codec::jpeg_baseline},
    {"1.2.840.10008.1.2.4.51", "JPEG Extended (Process 2 and 4)", kNo},
    {"1.2.840.10008.1.2.4.57", "JPEG Lossless, Non-Hierarchical (Process 14)", kNo},
    {"1.2.840.10008.1.2.4.70", "JPEG Lossless, First-Order Prediction (Process 14, Selection Value 1)", kNo},
    {"1.2.840.10008.1.2.4.80", "JPEG-LS Lossless", kNo},
    {"1.2.840.10008.1.2.4.81", "JPEG-LS Lossy (Near-Lossless)", kNo},
    {"1.2.840.10008.1.2.4.90", "JPEG 2000 (Lossless Only)", kNo},
    {"1.2.840.10008.1.2.4.91", "JPEG 2000", kNo},
    {"1.2.840.10008.1.2.4.92", "JPEG 2000 Part 2 Multi-component (Lossless Only)", kNo},
    {"1.2.840.10008.1.2.4.93", "JPEG 2000 Part 2 Multi-component", kNo},
    {"1.2.840.10008.1.2.4.94", "JPIP Referenced", kNo},
    {"1.2.840.10008.1.2.4.95", "JPIP Referenced Deflate", kNo},
    {"1.2.840.10008.1.2.4.100", "MPEG2 Main Profile / Main Level", kNo},
    {"1.2.840.10008.1.2.4.101", "MPEG2 Main Profile / High Level", kNo},
    {"1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264 High Profile / Level 4.1", kNo},
    {"1.2.840.10008.1.2.4.103", "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", kNo},
    {"1.2.840.10008.1.2.4.104", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", kNo},
    {"1.2.840.10008.1.2.4.105", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", kNo},
    {"1.2.840.10008.1.2.4.106", "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", kNo},
    {"1.2.840.10008.1.2.4.107", "HEVC/H.265 Main Profile / Level 5.1", kNo},
    {"1.2.840.10008.1.2.4.108", "HEVC/H.265 Main 10 Profile / Level 5.1", kNo},
    {"1.2.840.10008.1.2.4.110", "JPEG XL Lossless", kNo},
    {"1.2.840.10008.1.2.4.111", "JPEG XL JPEG Recompression", kNo},
    {"1.2.840.10008.1.2.4.112", "JPEG XL", kNo},
    {"1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000 (Lossless Only)", kNo},
    {"1.2.840.10008.1.2.4.202", "High-Throughput JPEG 2000 with RPCL Options (Lossless Only)", kNo},
    {"1.2.840.10008.1.2.4.203", "High-Throughput JPEG 2000", kNo},
    {"1.2.840.10008.1.2.4.204", "JPIP HTJ2K Referenced", kNo},
    {"1.2.840.10008.1.2.8.1", "Deflated Image Frame Compression", kNo},
};

}  // namespace

const Syntax* find_syntax(std::string_view uid) noexcept {
    const auto found = std::ranges::find(kSyntaxes, uid, &Syntax::uid);
    return found == std::end(kSyntaxes) ? nullptr : found;
}

}  // namespace staging
