#include <bit>
#include <cstring>

#include "staging/read/dicom/pixels.h"

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

template <class Word>
Word word_at(core::ByteView bytes, std::size_t index, bool big_endian) {
    Word word;
    std::memcpy(&word, bytes.data() + index * sizeof word, sizeof word);
    return big_endian ? swapped(word) : word;
}

// Samples from `source` in file order to [frames, rows, columns, samples].
template <class Word, class At>
void interleave(const PixelLayout& layout, std::span<std::uint8_t> out, At at) {
    const std::size_t plane = std::size_t{layout.pixels.rows} * layout.pixels.columns;
    const std::size_t samples = layout.pixels.samples;
    std::uint8_t* to = out.data();
    for (std::size_t frame = 0; frame < layout.pixels.frames; ++frame)
        for (std::size_t pixel = 0; pixel < plane; ++pixel)
            for (std::size_t sample = 0; sample < samples; ++sample, to += sizeof(Word)) {
                const std::size_t from = layout.planar ? (frame * samples + sample) * plane + pixel
                                                       : (frame * plane + pixel) * samples + sample;
                const Word word = at(from);
                std::memcpy(to, &word, sizeof word);
            }
}

// PS3.5 section 8.1.1: the first pixel is the lowest bit, frames follow each other without padding.
void unpack_bits(core::ByteView packed, std::span<std::uint8_t> out) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = packed[i / 8] >> (i % 8) & 1;
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

void decode_native(const PixelLayout& layout, const PixelSource& source, std::span<std::uint8_t> out) {
    const core::ByteView bytes = source.native;
    const bool big = source.big_endian;
    const std::size_t size = pixel_type_bytes(layout.pixels.type);
    if (layout.pixels.bits_allocated == 1) return unpack_bits(bytes, out);

    if (size == 1) {
        // 8-bit samples in OW are 16-bit words to the transfer syntax (PS3.5 annex D).
        const std::size_t pair = big && source.vr == Vr{'O', 'W'} ? 1 : 0;
        const auto at = [&](std::size_t index) { return bytes[index ^ pair]; };
        if (layout.photometric == "YBR_FULL_422") return expand_422(out, at);
        if (pair || layout.planar) return interleave<std::uint8_t>(layout, out, at);
    } else if (big || layout.planar) {
        if (size == 2)
            return interleave<std::uint16_t>(layout, out,
                                             [&](auto i) { return word_at<std::uint16_t>(bytes, i, big); });
        if (size == 4)
            return interleave<std::uint32_t>(layout, out,
                                             [&](auto i) { return word_at<std::uint32_t>(bytes, i, big); });
        return interleave<std::uint64_t>(layout, out,
                                         [&](auto i) { return word_at<std::uint64_t>(bytes, i, big); });
    }
    std::memcpy(out.data(), bytes.data(), out.size());
}

}  // namespace staging
