#include "staging/read/dicom/pixels.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "staging/read/refused.h"

namespace staging {
namespace {

[[noreturn]] void unsupported(const char* attribute) {
    throw Refused(Reason::pixel_format_unsupported, attribute);
}

std::uint16_t need(const std::optional<std::uint16_t>& value, const char* keyword) {
    if (!value) throw Refused(Reason::missing_attribute, keyword);
    return *value;
}

std::uint32_t frame_count(const std::optional<std::string>& text) {
    if (!text || text->empty()) return 1;
    std::uint32_t count = 0;
    const auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), count);
    if (failed != std::errc{} || end != text->data() + text->size() || count == 0)
        throw Refused(Reason::pixel_size_mismatch, "NumberOfFrames");
    return count;
}

PixelType integer_type(unsigned allocated, bool is_signed) {
    switch (allocated) {
        case 1:
            return PixelType::u8;
        case 8:
            return is_signed ? PixelType::i8 : PixelType::u8;
        case 16:
            return is_signed ? PixelType::i16 : PixelType::u16;
        case 32:
            return is_signed ? PixelType::i32 : PixelType::u32;
        default:
            unsupported("BitsAllocated");
    }
}

bool is_ybr(std::string_view photometric) {
    return photometric == "YBR_FULL" || photometric == "YBR_FULL_422";
}

void check_photometric(const PixelLayout& layout, const Syntax& syntax) {
    const std::string& name = layout.photometric;
    if (layout.pixels.samples == 1) {
        if (name != "MONOCHROME1" && name != "MONOCHROME2" && name != "PALETTE COLOR")
            unsupported("PhotometricInterpretation");
        return;
    }
    if (name != "RGB" && !is_ybr(name)) unsupported("PhotometricInterpretation");
    // The conversion is defined for 8 bits; 4:2:2 exists natively or inside JPEG only.
    if (is_ybr(name) && layout.pixels.type != PixelType::u8) unsupported("PhotometricInterpretation");
    if (name == "YBR_FULL_422" && (syntax.codec == Codec::rle || layout.pixels.columns % 2))
        unsupported("PhotometricInterpretation");
    if (name == "YBR_FULL_422" && syntax.codec == Codec::native && layout.planar)
        unsupported("PlanarConfiguration");
}

// Bytes of native pixel data; the caller knows that no product overflows.
std::uint64_t native_bytes(const PixelLayout& layout) {
    const std::uint64_t samples = layout.pixels.frames * layout.frame_samples();
    if (layout.pixels.bits_allocated == 1) return (samples + 7) / 8;
    if (layout.photometric == "YBR_FULL_422") return samples / 3 * 2;
    return samples * (layout.pixels.bits_allocated / 8);
}

void check_native_size(const PixelLayout& layout, const PixelSource& source) {
    const std::uint64_t expected = native_bytes(layout), found = source.native.size();
    // Where bytes are swapped in pairs, the last one's partner must be there.
    const bool in_pairs = source.big_endian && layout.pixels.bits_allocated == 8 && source.vr == Vr{'O', 'W'};
    if (found < expected + (in_pairs ? expected % 2 : 0))
        throw Refused(Reason::pixel_size_mismatch, "PixelData");
    // As large as without subsampling: the photometric interpretation is not to be trusted.
    if (layout.photometric == "YBR_FULL_422" && found >= expected / 2 * 3)
        throw Refused(Reason::pixel_size_mismatch, "PhotometricInterpretation");
}

template <class Sample>
void drop_unused_bits(std::span<std::uint8_t> bytes, unsigned unused) {
    using Unsigned = std::make_unsigned_t<Sample>;
    for (std::size_t i = 0; i + sizeof(Sample) <= bytes.size(); i += sizeof(Sample)) {
        Unsigned raw;
        std::memcpy(&raw, bytes.data() + i, sizeof raw);
        const auto shifted = static_cast<Sample>(static_cast<Unsigned>(raw << unused));
        const auto clean = static_cast<Sample>(shifted >> unused);  // arithmetic for signed: C++20
        std::memcpy(bytes.data() + i, &clean, sizeof clean);
    }
}

void drop_unused_bits(const Pixels& pixels, std::span<std::uint8_t> bytes) {
    if (pixels.bits_allocated == 1 || pixels.bits_stored >= pixels.bits_allocated) return;
    const unsigned unused = pixels.bits_allocated - pixels.bits_stored;
    switch (pixels.type) {
        case PixelType::u8:
            return drop_unused_bits<std::uint8_t>(bytes, unused);
        case PixelType::i8:
            return drop_unused_bits<std::int8_t>(bytes, unused);
        case PixelType::u16:
            return drop_unused_bits<std::uint16_t>(bytes, unused);
        case PixelType::i16:
            return drop_unused_bits<std::int16_t>(bytes, unused);
        case PixelType::u32:
            return drop_unused_bits<std::uint32_t>(bytes, unused);
        case PixelType::i32:
            return drop_unused_bits<std::int32_t>(bytes, unused);
        default:
            return;
    }
}

// PS3.3 section C.7.6.3.1.2 and ISO/IEC 10918-5 section 7, in float32 and rounded half up, as pydicom does it
// (its other ways differ by one grey level here and there; equality can be tested).
void ybr_to_rgb(std::span<std::uint8_t> pixels) {
    constexpr float kRed = 1.402F, kGreenB = -0.114 * 1.772 / 0.587, kGreenR = -0.299 * 1.402 / 0.587,
                    kBlue = 1.772F;
    const auto clip = [](float v) {
        return static_cast<std::uint8_t>(std::clamp(std::floor(v + 0.5F), 0.F, 255.F));
    };
    for (std::size_t i = 0; i + 3 <= pixels.size(); i += 3) {
        const float y = pixels[i], b = pixels[i + 1] - 128.F, r = pixels[i + 2] - 128.F;
        pixels[i] = clip(y + kRed * r);
        pixels[i + 1] = clip(y + kGreenB * b + kGreenR * r);
        pixels[i + 2] = clip(y + kBlue * b);
    }
}

void decode_encapsulated(const PixelLayout& layout, const PixelSource& source, const Syntax& syntax,
                         std::span<std::uint8_t> out) {
    const auto ranges = frame_fragments(source, layout.pixels.frames, syntax.codec);
    core::Bytes joined;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        core::ByteView encoded = source.fragments[ranges[i].first];
        if (ranges[i].last - ranges[i].first > 1) {
            joined.clear();
            for (std::size_t k = ranges[i].first; k < ranges[i].last; ++k)
                joined.insert(joined.end(), source.fragments[k].begin(), source.fragments[k].end());
            encoded = joined;
        }
        const auto frame = out.subspan(i * layout.frame_bytes(), layout.frame_bytes());
        const bool ybr = syntax.codec == Codec::rle
                             ? (decode_rle(encoded, layout, frame), is_ybr(layout.photometric))
                             : decode_jpeg(encoded, layout, frame);
        if (ybr) ybr_to_rgb(frame);
    }
}

}  // namespace

PixelLayout plan_pixels(const PixelHeader& header, const PixelSource& source, const Syntax& syntax,
                        const Limits& limits) {
    const bool is_float =
        source.kind == PixelSource::Kind::float32 || source.kind == PixelSource::Kind::float64;
    PixelLayout layout;
    Pixels& pixels = layout.pixels;
    pixels.samples = need(header.samples, "SamplesPerPixel");
    if (!header.photometric) throw Refused(Reason::missing_attribute, "PhotometricInterpretation");
    layout.photometric = *header.photometric;
    pixels.rows = need(header.rows, "Rows");
    pixels.columns = need(header.columns, "Columns");
    pixels.frames = frame_count(header.frames);
    pixels.bits_allocated = need(header.allocated, "BitsAllocated");
    if (pixels.samples != 1 && pixels.samples != 3) unsupported("SamplesPerPixel");
    if (pixels.rows == 0) throw Refused(Reason::pixel_size_mismatch, "Rows");
    if (pixels.columns == 0) throw Refused(Reason::pixel_size_mismatch, "Columns");

    if (is_float) {
        const bool single = source.kind == PixelSource::Kind::float32;
        if (pixels.bits_allocated != (single ? 32 : 64)) unsupported("BitsAllocated");
        if (pixels.samples != 1 || syntax.codec != Codec::native) unsupported("SamplesPerPixel");
        pixels.bits_stored = pixels.bits_allocated;
        pixels.type = single ? PixelType::f32 : PixelType::f64;
    } else {
        pixels.bits_stored = need(header.stored, "BitsStored");
        if (pixels.bits_stored == 0 || pixels.bits_stored > pixels.bits_allocated) unsupported("BitsStored");
        // Since 2014 PS3.3 section C.7.6.3 allows no other; what lies below would be shifted out by guess.
        if (header.high_bit && *header.high_bit + 1 != pixels.bits_stored) unsupported("HighBit");
        const auto representation = need(header.representation, "PixelRepresentation");
        if (representation > 1) unsupported("PixelRepresentation");
        pixels.type = integer_type(pixels.bits_allocated, representation == 1);
        if (pixels.samples == 3 && syntax.codec != Codec::jpeg_baseline) {
            const auto planar = need(header.planar, "PlanarConfiguration");
            if (planar > 1) unsupported("PlanarConfiguration");
            layout.planar = planar == 1;
        }
        const bool bytes_in_order = !source.big_endian || source.vr == Vr{'O', 'B'};
        if (pixels.bits_allocated == 1 &&
            (pixels.samples != 1 || !bytes_in_order || syntax.codec != Codec::native))
            unsupported("BitsAllocated");
        if (syntax.codec == Codec::jpeg_baseline && pixels.bits_allocated != 8) unsupported("BitsAllocated");
        if (pixels.samples == 3 && pixels.bits_stored != pixels.bits_allocated) unsupported("BitsStored");
    }
    check_photometric(layout, syntax);
    pixels.photometric = is_ybr(layout.photometric) ? "RGB" : layout.photometric;

    // 16 + 16 + 2 + 4 bits fit; frames may not.
    const std::uint64_t frame = layout.frame_samples() * pixel_type_bytes(pixels.type);
    if (pixels.frames > limits.pixel_bytes / frame) throw Refused(Reason::pixels_too_large);
    if (source.kind == PixelSource::Kind::encapsulated) {
        if (source.fragments.size() < pixels.frames) throw Refused(Reason::pixel_size_mismatch, "fragments");
    } else if (source.kind != PixelSource::Kind::none) {
        check_native_size(layout, source);
    }
    return layout;
}

void decode_pixels(const PixelLayout& layout, const PixelSource& source, const Syntax& syntax,
                   std::span<std::uint8_t> out) {
    if (source.kind == PixelSource::Kind::encapsulated) {
        decode_encapsulated(layout, source, syntax, out);
    } else {
        decode_native(layout, source, out);
        if (is_ybr(layout.photometric)) ybr_to_rgb(out);
    }
    drop_unused_bits(layout.pixels, out);
}

std::vector<Range> frame_fragments(const PixelSource& source, std::uint32_t frames, Codec codec) {
    const std::size_t count = source.fragments.size();
    std::vector<Range> ranges;
    if (count == 0) throw Refused(Reason::pixel_size_mismatch, "fragments");
    if (frames == 1) return {{0, count}};
    if (count == frames) {
        for (std::size_t i = 0; i < count; ++i) ranges.push_back({i, i + 1});
        return ranges;
    }
    const auto starts_at = [&](std::size_t i) { ranges.push_back({i, count}); };
    if (source.offset_table.size() == std::size_t{4} * frames) {
        // Offsets count from the first byte of the first fragment's item tag.
        std::uint64_t offset = 0;
        for (std::size_t i = 0; i < count; ++i) {
            std::uint32_t next;
            if (ranges.size() < frames) {
                std::memcpy(&next, source.offset_table.data() + 4 * ranges.size(), 4);
                if (next == offset) starts_at(i);
            }
            offset += 8 + source.fragments[i].size();
        }
    } else if (codec == Codec::jpeg_baseline) {
        bool starts = true;  // a frame ends with the fragment that holds its EOI marker, and perhaps padding
        for (std::size_t i = 0; i < count; ++i) {
            if (starts) starts_at(i);
            const core::ByteView fragment = source.fragments[i];
            const std::size_t tail = std::min<std::size_t>(fragment.size(), 10);
            starts = core::text(fragment.last(tail)).find("\xff\xd9") != std::string_view::npos;
        }
    }
    if (ranges.size() != frames) throw Refused(Reason::pixel_size_mismatch, "fragments");
    for (std::size_t i = 0; i + 1 < ranges.size(); ++i) ranges[i].last = ranges[i + 1].first;
    return ranges;
}

}  // namespace staging
