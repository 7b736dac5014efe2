#include "staging/read/dicom/dicom.h"

#include <algorithm>

#include "staging/read/dicom/dictionary.h"
#include "staging/read/dicom/pixels.h"
#include "staging/read/dicom/walker.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

// Keeps what is wanted of the elements that pass, and where the pixels are.
class Keeper final : public Visitor {
public:
    Keeper(const Wanted& wanted, const Limits& limits) : wanted_(wanted), limits_(limits) {
        values.resize(wanted.size());
    }

    void element(const Element& element) override {
        if (element.path.size() == 1) root(element);
        const auto attributes = wanted_.attributes();
        for (std::size_t i = 0; i < attributes.size(); ++i)
            if (std::ranges::equal(attributes[i].steps, element.path)) keep(i, attributes[i], element);
    }

    bool is_sequence(std::span<const Step> path) override {
        return std::ranges::any_of(wanted_.attributes(), [&](const Attribute& attribute) {
            return attribute.steps.size() > path.size() && same_sequence(attribute.steps, path);
        });
    }

    void native_pixels(Vr vr, core::ByteView bytes) override {
        found(PixelSource::Kind::integers, vr, bytes);
    }

    void encapsulated_pixels(core::ByteView table, std::vector<core::ByteView> fragments) override {
        found(PixelSource::Kind::encapsulated, {'O', 'B'}, {});
        source.offset_table = table;
        source.fragments = std::move(fragments);
    }

    std::vector<std::optional<Value>> values;
    Facts facts;
    PixelHeader header;
    PixelSource source;

private:
    // The last step of `path` is the sequence itself, whose item is not known yet.
    static bool same_sequence(std::span<const Step> steps, std::span<const Step> path) {
        return std::equal(path.begin(), path.end() - 1, steps.begin()) &&
               steps[path.size() - 1].tag == path.back().tag;
    }

    void found(PixelSource::Kind kind, Vr vr, core::ByteView bytes) {
        if (source.kind != PixelSource::Kind::none)
            throw Refused(Reason::malformed, "more than one pixel data");
        source.kind = kind;
        source.vr = vr;
        source.native = bytes;
    }

    void keep(std::size_t index, const Attribute& attribute, const Element& element) {
        if (element.value.size() > limits_.value_bytes)
            throw Refused(Reason::value_too_large, attribute.path);
        Value& value = values[index].emplace();
        value.bytes = core::text(element.value);
        value.charset = element.charset;
        value.vr = element.vr == Vr{'U', 'N'} ? attribute.vr : element.vr;
        if (element.vr == Vr{'U', 'N'} && value.vr == Vr{'U', 'S'} &&
            is_pixel_valued(attribute.steps.back().tag) && header.representation == 1)
            value.vr = {'S', 'S'};
        if (!element.big_endian) return;
        const std::size_t word = word_bytes(value.vr);
        for (std::size_t at = 0; at + word <= value.bytes.size(); at += word)
            std::reverse(value.bytes.begin() + at, value.bytes.begin() + at + word);
    }

    // Attributes that are "US or SS" by PixelRepresentation.
    static bool is_pixel_valued(Tag tag) {
        return tag == 0x00280106 || tag == 0x00280107 || tag == 0x00280120;
    }

    void root(const Element& element) {
        const auto text = [&] {
            const std::string_view whole = trimmed(core::text(element.value));
            if (whole.size() > limits_.value_bytes) throw Refused(Reason::value_too_large);
            return std::string(whole);
        };
        const auto number = [&]() -> std::optional<std::uint16_t> {
            if (element.value.size() < 2) return std::nullopt;
            const unsigned a = element.value[0], b = element.value[1];
            return static_cast<std::uint16_t>(element.big_endian ? a << 8 | b : b << 8 | a);
        };
        switch (element.path.front().tag) {
            case 0x00080008:
                facts.image_type = text();
                break;
            case 0x00080016:
                facts.sop_class = text();
                break;
            case 0x00080060:
                facts.modality = text();
                break;
            case 0x00080064:
                facts.conversion_type = text();
                break;
            case 0x00180015:
                facts.body_part = text();
                break;
            case 0x00280301:
                facts.burned_in_annotation = text();
                break;
            case 0x00280302:
                facts.recognizable_features = text();
                break;
            case 0x00280002:
                header.samples = number();
                break;
            case 0x00280004:
                header.photometric = text();
                break;
            case 0x00280006:
                header.planar = number();
                break;
            case 0x00280008:
                header.frames = text();
                break;
            case 0x00280010:
                header.rows = number();
                break;
            case 0x00280011:
                header.columns = number();
                break;
            case 0x00280100:
                header.allocated = number();
                break;
            case 0x00280101:
                header.stored = number();
                break;
            case 0x00280102:
                header.high_bit = number();
                break;
            case 0x00280103:
                header.representation = number();
                break;
            case 0x7fe00008:
                found(PixelSource::Kind::float32, {'O', 'F'}, element.value);
                break;
            case 0x7fe00009:
                found(PixelSource::Kind::float64, {'O', 'D'}, element.value);
                break;
            default:
                break;
        }
    }

    const Wanted& wanted_;
    const Limits& limits_;
};

void read(core::ByteView file, const Wanted& wanted, const Limits& limits, Depth depth,
          std::span<std::uint8_t> room, Record& record) {
    const FileMeta meta = read_file_meta(file);
    const Syntax* syntax = find_syntax(meta.transfer_syntax);
    if (!syntax) throw Refused(Reason::transfer_syntax_unsupported, "not in PS3.6");
    if (syntax->codec == Codec::unsupported)
        throw Refused(Reason::transfer_syntax_unsupported, std::string(syntax->name));

    core::ByteView data_set = file.subspan(meta.data_set_at);
    core::Bytes inflated;
    if (syntax->deflated) data_set = inflated = inflate(data_set, file.size(), limits);

    Keeper keeper(wanted, limits);
    walk(data_set, *syntax, limits, keeper);
    keeper.source.big_endian = syntax->big_endian;
    if (keeper.source.kind == PixelSource::Kind::none) {
        if (depth == Depth::pixels) throw Refused(Reason::no_pixel_data);
    } else {
        const bool encapsulated = keeper.source.kind == PixelSource::Kind::encapsulated;
        if (encapsulated == (syntax->codec == Codec::native))
            throw Refused(Reason::malformed, "pixel data do not fit the transfer syntax");
        const PixelLayout layout = plan_pixels(keeper.header, keeper.source, *syntax, limits);
        record.pixels = layout.pixels;
        if (depth == Depth::pixels) {
            const auto out = room.first(layout.pixels.byte_count());
            decode_pixels(layout, keeper.source, *syntax, out);
            record.pixels.bytes = out;
            record.pixels.sha256 = core::sha256(out);
        }
    }
    record.facts = std::move(keeper.facts);
    record.facts.transfer_syntax = syntax->uid;
    record.values = std::move(keeper.values);
}

}  // namespace

bool is_dicom(core::ByteView head) {
    return head.size() >= 132 && core::text(head.subspan(128, 4)) == "DICM";
}

Record read_dicom(core::ByteView file, const Wanted& wanted, const Limits& limits, Depth depth,
                  std::span<std::uint8_t> pixels) {
    Record record;
    record.file_bytes = file.size();
    record.file_sha256 = core::sha256(file);
    try {
        read(file, wanted, limits, depth, pixels, record);
    } catch (const Refused& refused) {
        record.reason = refused.reason;
        record.detail = refused.detail;
        record.pixels = {};
    }
    return record;
}

}  // namespace staging
