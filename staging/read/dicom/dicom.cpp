#include "staging/read/dicom/dicom.h"

#include <algorithm>

#include "staging/read/codec/inflate.h"
#include "staging/read/dicom/keeper.h"
#include "staging/read/dicom/siemens.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

// Throws Refused, and NeedMore where the window is too short.
void read(const Window& file, const Wanted& wanted, const Limits& limits, Depth depth,
          std::span<std::uint8_t> room, Record& record) {
    const FileMeta meta = read_file_meta(file);
    std::uint32_t deviations = meta.deviations;
    const Syntax* syntax = find_syntax(meta.transfer_syntax);
    if (meta.transfer_syntax.empty()) {
        syntax = guess_syntax(file.bytes.subspan(meta.data_set_at));
        if (!syntax) throw Refused(Reason::missing_attribute, "TransferSyntaxUID");
        deviations |= 1U << static_cast<unsigned>(Deviation::no_preamble);
    }
    if (!syntax) throw Refused(Reason::transfer_syntax_unsupported, "not in PS3.6");
    if (syntax->pixels == Syntax::Pixels::refused)
        throw Refused(Reason::transfer_syntax_unsupported, Word::named(syntax->name));

    Window data_set = file.from(meta.data_set_at);
    core::Bytes inflated;
    if (syntax->deflated) {
        if (!file.is_whole()) throw NeedMore{file.total};
        inflated = inflate(data_set.bytes, file.total, limits);
        data_set = {inflated, inflated.size()};
    }

    Keeper keeper(wanted, limits);
    try {
        walk(data_set, *syntax, limits, depth, keeper);
    } catch (const NeedMore& more) {
        throw NeedMore{more.bytes + meta.data_set_at};
    }
    keeper.source.big_endian = syntax->big_endian;
    if (keeper.source.kind == PixelSource::Kind::none) {
        if (depth == Depth::pixels) throw Refused(Reason::no_pixel_data);
    } else {
        const bool encapsulated = keeper.source.kind == PixelSource::Kind::encapsulated;
        if (encapsulated != (syntax->pixels == Syntax::Pixels::frames))
            throw Refused(Reason::malformed, "pixel data do not fit the transfer syntax");
        // Numbers of segments, whatever colours the object proposes for them.
        if (keeper.is_label_map() && keeper.header.photometric == "PALETTE COLOR")
            keeper.header.photometric = "MONOCHROME2";
        const PixelLayout layout = plan_pixels(keeper.header, keeper.source, *syntax, limits);
        if (layout.extra_bytes) keeper.deviates(Deviation::extra_pixel_bytes);
        record.pixels = layout.pixels;
        keeper.finish(record);
        const auto mosaic = find_mosaic(keeper.siemens, record.facts.image_type);
        std::span<std::uint8_t> out;
        if (depth == Depth::pixels) {
            out = room.first(layout.pixels.byte_count());
            decode_pixels(layout, keeper.header, keeper.source, *syntax, out);
        }
        if (mosaic && cut_mosaic(*mosaic, record, out))
            out = out.first(std::min(out.size(), record.pixels.byte_count()));
        if (depth == Depth::pixels) {
            record.pixels.bytes = out;
            record.pixels.sha256 = core::sha256(out);
        }
    }
    if (keeper.source.kind == PixelSource::Kind::none) keeper.finish(record);
    record.facts.transfer_syntax = syntax->uid;
    record.deviations = deviations | keeper.deviations;
}

}  // namespace

bool is_dicom(core::ByteView head) {
    return (head.size() >= 132 && core::text(head.subspan(128, 4)) == "DICM") || begins_as_data_set(head);
}

std::optional<Record> read_dicom_head(core::ByteView head, std::uint64_t file_bytes, const Wanted& wanted,
                                      const Limits& limits, std::uint64_t& needed) {
    Record record;
    record.file_bytes = file_bytes;
    try {
        read_or_refuse(record, [&] { read({head, file_bytes}, wanted, limits, Depth::header, {}, record); });
    } catch (const NeedMore& more) {
        needed = more.bytes;
        return std::nullopt;
    }
    return record;
}

Record read_dicom(core::ByteView file, const Wanted& wanted, const Limits& limits, Depth depth,
                  std::span<std::uint8_t> pixels) {
    Record record;
    record.file_bytes = file.size();
    record.file_sha256 = core::sha256(file);
    read_or_refuse(record, [&] { read({file, file.size()}, wanted, limits, depth, pixels, record); });
    return record;
}

}  // namespace staging
