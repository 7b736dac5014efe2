#include "staging/read/codec/native.h"

#include <bit>
#include <cstring>

static_assert(std::endian::native == std::endian::little, "shards and Records are little endian");

namespace staging {
namespace {

template <class Word>
Word swapped(Word word) {
    if constexpr (sizeof word == 2) return static_cast<Word>(__builtin_bswap16(word));
    if constexpr (sizeof word == 4) return static_cast<Word>(__builtin_bswap32(word));
    if constexpr (sizeof word == 8) return static_cast<Word>(__builtin_bswap64(word));
    return word;
}

// Samples of one frame in file order to [rows, columns, samples].
template <class Word, class At>
void interleave(const FrameShape& shape, std::span<std::uint8_t> out, At at) {
    const std::size_t plane = std::size_t{shape.rows} * shape.columns, samples = shape.samples;
    std::uint8_t* to = out.data();
    for (std::size_t pixel = 0; pixel < plane; ++pixel)
        for (std::size_t sample = 0; sample < samples; ++sample, to += sizeof(Word)) {
            const Word word = at(shape.is_planar ? sample * plane + pixel : pixel * samples + sample);
            std::memcpy(to, &word, sizeof word);
        }
}

template <class Word>
void interleave_words(core::ByteView bytes, const FrameShape& shape, bool big, std::span<std::uint8_t> out) {
    interleave<Word>(shape, out, [&](std::size_t index) {
        Word word;
        std::memcpy(&word, bytes.data() + index * sizeof word, sizeof word);
        return big ? swapped(word) : word;
    });
}

// Y1 Y2 Cb Cr -> Y1 Cb Cr Y2 Cb Cr (PS3.3 section C.7.6.3.1.2)
template <class At>
void expand_422(std::span<std::uint8_t> out, At at) {
    for (std::size_t i = 0, from = 0; i + 6 <= out.size(); i += 6, from += 4) {
        out[i] = at(from);
        out[i + 3] = at(from + 1);
        out[i + 1] = out[i + 4] = at(from + 2);
        out[i + 2] = out[i + 5] = at(from + 3);
    }
}

}  // namespace

std::uint64_t native_frame_bytes(const FrameShape& shape) {
    return shape.allocated == 1 ? (shape.sample_count() + 7) / 8
                                : shape.sample_count() * (shape.allocated / 8);
}

void unpack_bits(core::ByteView packed, std::uint64_t first, std::span<std::uint8_t> out) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = packed[(first + i) / 8] >> ((first + i) % 8) & 1;
}

void decode_native_frame(core::ByteView bytes, const FrameShape& shape, const NativeOrder& order,
                         std::span<std::uint8_t> out) {
    if (shape.allocated == 1) return unpack_bits(bytes, 0, out);
    switch (pixel_type_bytes(shape.type)) {
        case 1: {
            const std::size_t pair = order.big_endian && order.is_words ? 1 : 0;
            const auto at = [&](std::size_t index) { return bytes[index ^ pair]; };
            if (order.is_4_2_2) return expand_422(out, at);
            if (pair || shape.is_planar) return interleave<std::uint8_t>(shape, out, at);
            break;
        }
        case 2:
            if (order.big_endian || shape.is_planar)
                return interleave_words<std::uint16_t>(bytes, shape, order.big_endian, out);
            break;
        case 4:
            if (order.big_endian || shape.is_planar)
                return interleave_words<std::uint32_t>(bytes, shape, order.big_endian, out);
            break;
        default:
            if (order.big_endian || shape.is_planar)
                return interleave_words<std::uint64_t>(bytes, shape, order.big_endian, out);
    }
    std::memcpy(out.data(), bytes.data(), out.size());
}

}  // namespace staging
