#include "staging/read/codec/codec.h"

#include <cstdlib>
#include <cstring>

namespace staging {
namespace {

bool starts_with(core::ByteView bytes, std::string_view magic) {
    return core::text(bytes).starts_with(magic);
}

// PS3.5 section G.5: the number of segments, then their offsets, of which the first is 64.
bool begins_rle(core::ByteView fragment) {
    std::uint32_t head[2];
    if (fragment.size() < 64) return false;
    std::memcpy(head, fragment.data(), sizeof head);
    return head[0] >= 1 && head[0] <= 15 && head[1] == 64;
}

bool begins_jpeg(core::ByteView fragment) {
    return starts_with(fragment, "\xff\xd8\xff");
}

// A codestream, or the boxes of a JP2 file, which some writers leave around it.
bool begins_jpeg_2000(core::ByteView fragment) {
    using namespace std::string_view_literals;
    return starts_with(fragment, "\xff\x4f\xff\x51") || starts_with(fragment, "\0\0\0\x0cjP  \r\n\x87\n"sv);
}

bool begins_jpeg_xl(core::ByteView fragment) {
    using namespace std::string_view_literals;
    return starts_with(fragment, "\xff\x0a") || starts_with(fragment, "\0\0\0\x0cJXL \r\n\x87\n"sv);
}

// PS3.5 section A.4.13: a frame is one fragment.
bool begins_always(core::ByteView) {
    return true;
}

constexpr bool is_whole(const Codec& codec) {
    return !codec.name.empty() && codec.decode && codec.begins && codec.allocated;
}

}  // namespace

#define ALOFT_CODEC(name, ...)         \
    constexpr Codec name{__VA_ARGS__}; \
    static_assert(is_whole(name), "a codec with a gap")

ALOFT_CODEC(kRle, "RLE", decode_rle, begins_rle, 1 | 8 | 16 | 32, false, false);
ALOFT_CODEC(kJpeg, "JPEG", decode_jpeg, begins_jpeg, 8, true, false);
ALOFT_CODEC(kJpegExtended, "JPEG extended", decode_jpeg_extended, begins_jpeg, 8 | 16, true, false);
ALOFT_CODEC(kJpegLossless, "JPEG lossless", decode_jpeg_lossless, begins_jpeg, 8 | 16, false, false);
ALOFT_CODEC(kJpegLs, "JPEG-LS", decode_jpeg_ls, begins_jpeg, 8 | 16, false, false);
ALOFT_CODEC(kJpeg2000, "JPEG 2000", decode_jpeg_2000, begins_jpeg_2000, 1 | 8 | 16 | 32, true, true);
ALOFT_CODEC(kJpegXl, "JPEG XL", decode_jpeg_xl, begins_jpeg_xl, 8 | 16, true, true);
ALOFT_CODEC(kDeflatedFrame, "deflated frame", decode_deflated_frame, begins_always, 1 | 8 | 16 | 32, false,
            false);

#undef ALOFT_CODEC

void prepare_codecs() noexcept {
    // Each would make OpenJPEG start threads, which the sandbox forbids.
    ::unsetenv("OPJ_NUM_THREADS");
}

}  // namespace staging
