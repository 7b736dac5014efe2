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

// References cannot be left out, as a member of an aggregate can: a codec with a gap does not compile.
constexpr Codec whole(std::string_view name, decltype(decode_rle)& decode, decltype(begins_rle)& begins,
                      unsigned allocated, bool may_be_4_2_2, bool undoes_colour) {
    return {name, decode, begins, allocated, may_be_4_2_2, undoes_colour};
}

}  // namespace

constexpr Codec kRle = whole("RLE", decode_rle, begins_rle, 1 | 8 | 16 | 32, false, false);
constexpr Codec kJpeg = whole("JPEG", decode_jpeg, begins_jpeg, 8, true, false);
constexpr Codec kJpegExtended =
    whole("JPEG extended", decode_jpeg_extended, begins_jpeg, 8 | 16, true, false);
constexpr Codec kJpegLossless =
    whole("JPEG lossless", decode_jpeg_lossless, begins_jpeg, 8 | 16, false, false);
constexpr Codec kJpegLs = whole("JPEG-LS", decode_jpeg_ls, begins_jpeg, 8 | 16, false, false);
constexpr Codec kJpeg2000 =
    whole("JPEG 2000", decode_jpeg_2000, begins_jpeg_2000, 1 | 8 | 16 | 32, true, true);
constexpr Codec kJpegXl = whole("JPEG XL", decode_jpeg_xl, begins_jpeg_xl, 8 | 16, true, true);
constexpr Codec kDeflatedFrame =
    whole("deflated frame", decode_deflated_frame, begins_always, 1 | 8 | 16 | 32, false, false);

void prepare_codecs() noexcept {
    // Each would make OpenJPEG start threads, which the sandbox forbids.
    ::unsetenv("OPJ_NUM_THREADS");
}

}  // namespace staging
