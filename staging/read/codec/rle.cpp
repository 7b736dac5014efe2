#include <algorithm>
#include <cstring>

#include "staging/read/codec/codec.h"
#include "staging/read/codec/native.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

constexpr std::size_t kHeader = 64, kSegments = 15;

[[noreturn]] void failed() {
    throw Refused(Reason::decode_failed, "RLE");
}

std::uint32_t u32(core::ByteView bytes, std::size_t index) {
    std::uint32_t value;
    std::memcpy(&value, bytes.data() + 4 * index, 4);
    return value;
}

// One byte plane: `count` bytes, each `stride` after the last. PackBits (PS3.5 annex G.3.1). Bytes beyond the
// plane, which some encoders write, are read and dropped; a run may never reach beyond the segment.
void decode_segment(core::ByteView segment, std::uint8_t* out, std::size_t count, std::size_t stride) {
    std::size_t at = 0, done = 0;
    while (done < count) {
        if (at == segment.size()) failed();
        const auto head = static_cast<std::int8_t>(segment[at++]);
        if (head >= 0) {
            const std::size_t run = static_cast<std::size_t>(head) + 1;
            const std::size_t kept = std::min(run, count - done);
            if (segment.size() - at < kept) failed();
            for (std::size_t i = 0; i < kept; ++i) out[(done + i) * stride] = segment[at + i];
            at += kept;
            done += kept;
        } else if (head != -128) {
            if (at == segment.size()) failed();
            const std::uint8_t value = segment[at++];
            const std::size_t kept = std::min(static_cast<std::size_t>(1 - head), count - done);
            for (std::size_t i = 0; i < kept; ++i) out[(done + i) * stride] = value;
            done += kept;
        }
    }
}

}  // namespace

Colour decode_rle(core::ByteView encoded, const FrameShape& shape, std::span<std::uint8_t> frame) {
    const std::size_t bytes = pixel_type_bytes(shape.type), samples = shape.samples;
    const std::size_t segments = bytes * samples;
    if (encoded.size() < kHeader || segments > kSegments || u32(encoded, 0) != segments) failed();
    const std::size_t plane = std::size_t{shape.rows} * shape.columns;
    if (shape.allocated == 1) {  // bits are packed first (PS3.5 section 8.1.1), and the bytes compressed
        core::Bytes packed(native_frame_bytes(shape));
        const std::size_t begin = u32(encoded, 1);
        if (begin < kHeader || begin > encoded.size()) failed();
        decode_segment(encoded.subspan(begin), packed.data(), packed.size(), 1);
        unpack_bits(packed, 0, frame);
        return Colour::as_data_set_says;
    }
    for (std::size_t i = 0; i < segments; ++i) {
        const std::size_t begin = u32(encoded, 1 + i);
        const std::size_t end = i + 1 < segments ? u32(encoded, 2 + i) : encoded.size();
        if (begin < kHeader || begin > end || end > encoded.size()) failed();
        // Planes come sample by sample, most significant byte first.
        const std::size_t sample = i / bytes, byte = bytes - 1 - i % bytes;
        decode_segment(encoded.subspan(begin, end - begin), frame.data() + sample * bytes + byte, plane,
                       segments);
    }
    return Colour::as_data_set_says;
}

}  // namespace staging
