#include "staging/read/dicom/syntax.h"

#include <algorithm>

namespace staging {
namespace {

// Native pixels in one of the four encodings of a data set.
constexpr Syntax native(std::string_view uid, std::string_view name, bool explicit_vr, bool big_endian,
                        bool deflated) {
    return {uid, name, explicit_vr, big_endian, deflated, Syntax::Pixels::native, nullptr};
}
// The others are explicit VR little endian.
constexpr Syntax frames(std::string_view uid, std::string_view name, const Codec& codec) {
    return {uid, name, true, false, false, Syntax::Pixels::frames, &codec};
}
constexpr Syntax refused(std::string_view uid, std::string_view name) {
    return {uid, name, true, false, false, Syntax::Pixels::refused, nullptr};
}

constexpr Syntax kSyntaxes[] = {
    native("1.2.840.10008.1.2", "Implicit VR Little Endian", false, false, false),
    native("1.2.840.10008.1.2.1", "Explicit VR Little Endian", true, false, false),
    native("1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian", true, false, true),
    native("1.2.840.10008.1.2.2", "Explicit VR Big Endian", true, true, false),
    frames("1.2.840.10008.1.2.5", "RLE Lossless", kRle),
    frames("1.2.840.10008.1.2.4.50", "JPEG Baseline (Process 1)", kJpeg),
    frames("1.2.840.10008.1.2.4.51", "JPEG Extended (Process 2 and 4)", kJpegExtended),
    frames("1.2.840.10008.1.2.4.57", "JPEG Lossless, Non-Hierarchical (Process 14)", kJpegLossless),
    frames("1.2.840.10008.1.2.4.70", "JPEG Lossless, First-Order Prediction (Process 14, Selection Value 1)",
           kJpegLossless),
    frames("1.2.840.10008.1.2.4.80", "JPEG-LS Lossless", kJpegLs),
    frames("1.2.840.10008.1.2.4.81", "JPEG-LS Lossy (Near-Lossless)", kJpegLs),
    frames("1.2.840.10008.1.2.4.90", "JPEG 2000 (Lossless Only)", kJpeg2000),
    frames("1.2.840.10008.1.2.4.91", "JPEG 2000", kJpeg2000),
    refused("1.2.840.10008.1.2.4.92", "JPEG 2000 Part 2 Multi-component (Lossless Only)"),
    refused("1.2.840.10008.1.2.4.93", "JPEG 2000 Part 2 Multi-component"),
    refused("1.2.840.10008.1.2.4.94", "JPIP Referenced"),
    refused("1.2.840.10008.1.2.4.95", "JPIP Referenced Deflate"),
    refused("1.2.840.10008.1.2.4.100", "MPEG2 Main Profile / Main Level"),
    refused("1.2.840.10008.1.2.4.101", "MPEG2 Main Profile / High Level"),
    refused("1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264 High Profile / Level 4.1"),
    refused("1.2.840.10008.1.2.4.103", "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1"),
    refused("1.2.840.10008.1.2.4.104", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video"),
    refused("1.2.840.10008.1.2.4.105", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video"),
    refused("1.2.840.10008.1.2.4.106", "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2"),
    refused("1.2.840.10008.1.2.4.107", "HEVC/H.265 Main Profile / Level 5.1"),
    refused("1.2.840.10008.1.2.4.108", "HEVC/H.265 Main 10 Profile / Level 5.1"),
    frames("1.2.840.10008.1.2.4.110", "JPEG XL Lossless", kJpegXl),
    frames("1.2.840.10008.1.2.4.111", "JPEG XL JPEG Recompression", kJpegXl),
    frames("1.2.840.10008.1.2.4.112", "JPEG XL", kJpegXl),
    frames("1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000 (Lossless Only)", kJpeg2000),
    frames("1.2.840.10008.1.2.4.202", "High-Throughput JPEG 2000 with RPCL Options (Lossless Only)",
           kJpeg2000),
    frames("1.2.840.10008.1.2.4.203", "High-Throughput JPEG 2000", kJpeg2000),
    refused("1.2.840.10008.1.2.4.204", "JPIP HTJ2K Referenced"),
    frames("1.2.840.10008.1.2.8.1", "Deflated Image Frame Compression", kDeflatedFrame),
    // Of vendors, and met often enough to be named.
    refused("1.2.840.113619.5.2", "GE private: implicit VR little endian with big endian pixels"),
    refused("1.3.46.670589.33.1.4.1", "Philips private: CT private ELE"),
    // Retired, or of other kinds of object.
    refused("1.2.840.10008.1.2.4.52", "JPEG Extended (Process 3 and 5)"),
    refused("1.2.840.10008.1.2.4.53", "JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)"),
    refused("1.2.840.10008.1.2.4.54", "JPEG Spectral Selection, Non-Hierarchical (Process 7 and 9)"),
    refused("1.2.840.10008.1.2.4.55", "JPEG Full Progression, Non-Hierarchical (Process 10 and 12)"),
    refused("1.2.840.10008.1.2.4.56", "JPEG Full Progression, Non-Hierarchical (Process 11 and 13)"),
    refused("1.2.840.10008.1.2.4.58", "JPEG Lossless, Non-Hierarchical (Process 15)"),
    refused("1.2.840.10008.1.2.4.59", "JPEG Extended, Hierarchical (Process 16 and 18)"),
    refused("1.2.840.10008.1.2.4.60", "JPEG Extended, Hierarchical (Process 17 and 19)"),
    refused("1.2.840.10008.1.2.4.61", "JPEG Spectral Selection, Hierarchical (Process 20 and 22)"),
    refused("1.2.840.10008.1.2.4.62", "JPEG Spectral Selection, Hierarchical (Process 21 and 23)"),
    refused("1.2.840.10008.1.2.4.63", "JPEG Full Progression, Hierarchical (Process 24 and 26)"),
    refused("1.2.840.10008.1.2.4.64", "JPEG Full Progression, Hierarchical (Process 25 and 27)"),
    refused("1.2.840.10008.1.2.4.65", "JPEG Lossless, Hierarchical (Process 28)"),
    refused("1.2.840.10008.1.2.4.66", "JPEG Lossless, Hierarchical (Process 29)"),
    refused("1.2.840.10008.1.2.4.205", "JPIP HTJ2K Referenced Deflate"),
    refused("1.2.840.10008.1.2.1.98", "Encapsulated Uncompressed Explicit VR Little Endian"),
    refused("1.2.840.10008.1.2.6.1", "RFC 2557 MIME encapsulation"),
    refused("1.2.840.10008.1.2.6.2", "XML Encoding"),
    refused("1.2.840.10008.1.2.7.1", "SMPTE ST 2110-20 Uncompressed Progressive Active Video"),
    refused("1.2.840.10008.1.2.7.2", "SMPTE ST 2110-20 Uncompressed Interlaced Active Video"),
    refused("1.2.840.10008.1.2.7.3", "SMPTE ST 2110-30 PCM Digital Audio"),
    refused("1.2.840.10008.1.20", "Papyrus 3 Implicit VR Little Endian"),
};

}  // namespace

std::span<const Syntax> syntaxes() noexcept {
    return kSyntaxes;
}

const Syntax* find_syntax(std::string_view uid) noexcept {
    const auto found = std::ranges::find(kSyntaxes, uid, &Syntax::uid);
    return found == std::end(kSyntaxes) ? nullptr : found;
}

}  // namespace staging
