#include "staging/read/dicom/pixels.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "staging/read/codec/native.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

[[noreturn]] void unsupported(Word attribute) {
    throw Refused(Reason::pixel_format_unsupported, attribute);
}

std::uint16_t need(const std::optional<std::uint16_t>& value, Word keyword) {
    if (!value) throw Refused(Reason::missing_attribute, keyword);
    return *value;
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

bool undone_by_codec(std::string_view photometric) {
    return photometric == "YBR_RCT" || photometric == "YBR_ICT" || photometric == "XYB";
}

void check_photometric(const PixelLayout& layout, const Syntax& syntax) {
    const std::string& name = layout.photometric;
    const Codec* codec = syntax.codec;
    if (layout.shape.samples == 1) {
        if (name != "MONOCHROME1" && name != "MONOCHROME2" && name != "PALETTE COLOR")
            unsupported("PhotometricInterpretation");
        if (layout.has_palette() && layout.shape.allocated != 8 && layout.shape.allocated != 16)
            unsupported("BitsAllocated");
        return;
    }
    if (name == "RGB" || (undone_by_codec(name) && codec && codec->undoes_colour)) return;
    if (!is_ybr(name)) unsupported("PhotometricInterpretation");
    // The conversion is defined for 8 bits.
    if (layout.shape.type != PixelType::u8) unsupported("PhotometricInterpretation");
    if (name == "YBR_FULL_422" && (codec ? !codec->may_be_4_2_2 : layout.shape.columns % 2 != 0))
        unsupported("PhotometricInterpretation");
    if (name == "YBR_FULL_422" && layout.shape.is_planar) unsupported("PlanarConfiguration");
}

// Bytes of native pixel data; the caller knows that no product overflows.
std::uint64_t native_bytes(const PixelLayout& layout) {
    const std::uint64_t samples = layout.pixels.frames * layout.shape.sample_count();
    if (layout.shape.allocated == 1) return (samples + 7) / 8;
    if (layout.photometric == "YBR_FULL_422") return samples / 3 * 2;
    return samples * (layout.shape.allocated / 8);
}

// Whether there is more than the image needs and a byte of padding.
bool check_native_size(const PixelLayout& layout, const PixelSource& source) {
    const std::uint64_t expected = native_bytes(layout), found = source.native_bytes;
    // Where bytes are swapped in pairs, the last one's partner must be there.
    const bool in_pairs = source.big_endian && layout.shape.allocated == 8 && source.vr == Vr{'O', 'W'};
    if (found < expected + (in_pairs ? expected % 2 : 0))
        throw Refused(Reason::pixel_size_mismatch, "PixelData");
    // As large as without subsampling: the photometric interpretation is not to be trusted.
    if (layout.photometric == "YBR_FULL_422" && found >= expected / 2 * 3)
        throw Refused(Reason::pixel_size_mismatch, "PhotometricInterpretation");
    return found > expected + 1;
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

void drop_unused_bits(const FrameShape& shape, unsigned stored, std::span<std::uint8_t> bytes) {
    if (shape.allocated == 1 || stored >= shape.allocated) return;
    const unsigned unused = shape.allocated - stored;
    switch (shape.type) {
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

std::int64_t index_at(core::ByteView frame, PixelType type, std::size_t n) {
    std::uint16_t word;
    switch (type) {
        case PixelType::u8:
            return frame[n];
        case PixelType::i8:
            return static_cast<std::int8_t>(frame[n]);
        default:
            std::memcpy(&word, frame.data() + 2 * n, 2);
            return type == PixelType::i16 ? static_cast<std::int16_t>(word) : std::int64_t{word};
    }
}

// Decodes one frame at a time, as it is stored.
class Frames {
public:
    Frames(const PixelLayout& layout, const PixelSource& source, const Syntax& syntax)
        : layout_(layout), source_(source), codec_(syntax.codec) {
        if (codec_) ranges_ = frame_fragments(source, layout.pixels.frames, *codec_);
    }

    void decode(std::size_t frame, std::span<std::uint8_t> out) {
        Colour colour = Colour::as_data_set_says;
        if (codec_)
            colour = codec_->decode(encoded(frame), layout_.shape, out);
        else
            decode_native(frame, out);
        if (colour == Colour::ycbcr || (colour == Colour::as_data_set_says && is_ybr(layout_.photometric)))
            ybr_to_rgb(out);
        drop_unused_bits(layout_.shape, layout_.stored, out);
    }

private:
    core::ByteView encoded(std::size_t frame) {
        const Range range = ranges_[frame];
        if (range.last - range.first == 1) return source_.fragments[range.first];
        joined_.clear();
        for (std::size_t i = range.first; i < range.last; ++i)
            joined_.insert(joined_.end(), source_.fragments[i].begin(), source_.fragments[i].end());
        return joined_;
    }

    void decode_native(std::size_t frame, std::span<std::uint8_t> out) const {
        // Frames of 1 bit follow each other without padding.
        if (layout_.shape.allocated == 1)
            return unpack_bits(source_.native, frame * layout_.shape.sample_count(), out);
        const NativeOrder order{source_.big_endian, source_.vr == Vr{'O', 'W'},
                                layout_.photometric == "YBR_FULL_422"};
        const std::uint64_t bytes = order.is_4_2_2 ? layout_.frame_bytes() / 3 * 2 : layout_.frame_bytes();
        // Bytes in big endian words do not end where a frame of an odd size does.
        if (order.big_endian && order.is_words && bytes % 2 && pixel_type_bytes(layout_.shape.type) == 1 &&
            layout_.pixels.frames > 1)
            unsupported("BitsAllocated");
        const std::uint64_t padded = bytes + (order.big_endian && order.is_words ? bytes % 2 : 0);
        decode_native_frame(source_.native.subspan(frame * bytes, padded), layout_.shape, order, out);
    }

    const PixelLayout& layout_;
    const PixelSource& source_;
    const Codec* codec_;
    std::vector<Range> ranges_;
    core::Bytes joined_;
};

// The frame as it is stored, by its header.
FrameShape shape_of(const PixelHeader& header, const PixelSource& source, const Syntax& syntax,
                    const std::string& photometric, unsigned& stored) {
    FrameShape shape;
    shape.samples = need(header.samples, "SamplesPerPixel");
    shape.rows = need(header.rows, "Rows");
    shape.columns = need(header.columns, "Columns");
    shape.allocated = need(header.allocated, "BitsAllocated");
    shape.is_rgb = photometric == "RGB";
    if (shape.samples != 1 && shape.samples != 3) unsupported("SamplesPerPixel");
    if (shape.rows == 0) throw Refused(Reason::pixel_size_mismatch, "Rows");
    if (shape.columns == 0) throw Refused(Reason::pixel_size_mismatch, "Columns");

    if (source.kind == PixelSource::Kind::float32 || source.kind == PixelSource::Kind::float64) {
        const bool single = source.kind == PixelSource::Kind::float32;
        if (shape.allocated != (single ? 32 : 64)) unsupported("BitsAllocated");
        if (shape.samples != 1 || syntax.codec) unsupported("SamplesPerPixel");
        stored = shape.allocated;
        shape.type = single ? PixelType::f32 : PixelType::f64;
        return shape;
    }
    stored = need(header.stored, "BitsStored");
    if (stored == 0 || stored > shape.allocated) unsupported("BitsStored");
    // Since 2014 PS3.3 section C.7.6.3 allows no other; what lies below would be shifted out by guess.
    if (header.high_bit && *header.high_bit + 1U != stored) unsupported("HighBit");
    const auto representation = need(header.representation, "PixelRepresentation");
    if (representation > 1) unsupported("PixelRepresentation");
    shape.type = integer_type(shape.allocated, representation == 1);
    // Codecs say themselves how samples stand, but for one that only packs a native frame.
    if (shape.samples == 3 && (!syntax.codec || syntax.codec == &kDeflatedFrame)) {
        const auto planar = need(header.planar, "PlanarConfiguration");
        if (planar > 1) unsupported("PlanarConfiguration");
        shape.is_planar = planar == 1;
    }
    const bool bytes_in_order = !source.big_endian || source.vr == Vr{'O', 'B'};
    if (shape.allocated == 1 && (shape.samples != 1 || !bytes_in_order)) unsupported("BitsAllocated");
    if (syntax.codec && !(syntax.codec->allocated & shape.allocated)) unsupported("BitsAllocated");
    if (shape.samples == 3 && stored != shape.allocated) unsupported("BitsStored");
    return shape;
}

}  // namespace

std::uint32_t frame_count(const PixelHeader& header) {
    const auto& text = header.frames;
    if (!text || text->empty()) return 1;
    std::uint32_t count = 0;
    const auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), count);
    if (failed != std::errc{} || end != text->data() + text->size() || count == 0)
        throw Refused(Reason::pixel_size_mismatch, "NumberOfFrames");
    return count;
}

PixelLayout plan_pixels(const PixelHeader& header, const PixelSource& source, const Syntax& syntax,
                        const Limits& limits) {
    PixelLayout layout;
    Pixels& pixels = layout.pixels;
    if (!header.photometric) throw Refused(Reason::missing_attribute, "PhotometricInterpretation");
    layout.photometric = *header.photometric;
    layout.shape = shape_of(header, source, syntax, layout.photometric, layout.stored);
    check_photometric(layout, syntax);
    pixels.frames = frame_count(header);
    pixels.rows = layout.shape.rows;
    pixels.columns = layout.shape.columns;
    pixels.samples = layout.has_palette() ? 3 : layout.shape.samples;
    pixels.type = layout.has_palette() ? PixelType::u8 : layout.shape.type;
    pixels.bits_allocated = static_cast<std::uint16_t>(layout.has_palette() ? 8 : layout.shape.allocated);
    pixels.bits_stored = static_cast<std::uint16_t>(layout.has_palette() ? 8 : layout.stored);
    pixels.photometric = pixels.samples == 3 ? "RGB" : layout.photometric;

    // 16 + 16 + 2 + 8 bits fit; frames may not.
    const std::uint64_t frame =
        std::uint64_t{pixels.rows} * pixels.columns * pixels.samples * pixel_type_bytes(pixels.type);
    check_pixels(pixels.frames, frame, limits);
    check_pixels(1, layout.frame_bytes(), limits);
    if (source.kind == PixelSource::Kind::encapsulated) {
        if (source.has_fragments && source.fragments.size() < pixels.frames)
            throw Refused(Reason::pixel_size_mismatch, "fragments");
    } else if (source.kind != PixelSource::Kind::none) {
        layout.extra_bytes = check_native_size(layout, source);
    }
    return layout;
}

void decode_pixels(const PixelLayout& layout, const PixelHeader& header, const PixelSource& source,
                   const Syntax& syntax, std::span<std::uint8_t> out) {
    Frames frames(layout, source, syntax);
    const std::uint64_t bytes = out.size() / layout.pixels.frames;
    if (!layout.has_palette()) {
        for (std::size_t i = 0; i < layout.pixels.frames; ++i)
            frames.decode(i, out.subspan(i * bytes, bytes));
        return;
    }
    const PaletteColours colours(header.palette, layout.shape.is_signed());
    core::Bytes indices(layout.frame_bytes());
    for (std::size_t i = 0; i < layout.pixels.frames; ++i) {
        frames.decode(i, indices);
        std::uint8_t* to = out.data() + i * bytes;
        for (std::size_t n = 0; n < layout.shape.sample_count(); ++n)
            for (const std::uint8_t part : colours[index_at(indices, layout.shape.type, n)]) *to++ = part;
    }
}

}  // namespace staging
