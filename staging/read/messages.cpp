#include "staging/read/messages.h"

#include <type_traits>

#include "staging/read/dicom/syntax.h"
#include "staging/read/format.h"
#include "staging/read/refused.h"
#include "staging/read/word.h"

namespace staging {
namespace {

static_assert(std::is_trivially_copyable_v<Limits>);

void refuse_unless(bool honest) {
    if (!honest) throw std::out_of_range("not what a worker writes");
}

std::optional<Value> unpack_value(Unpacker& in, bool is_table) {
    if (!in.get<std::uint8_t>()) return std::nullopt;
    Value value;
    value.bytes = in.text();
    if (is_table) {
        value.vr = {'U', 'T'};
    } else {
        value.vr[0] = in.get<char>();
        value.vr[1] = in.get<char>();
        const auto undecodable = in.get<std::uint8_t>();
        refuse_unless(undecodable <= 1);
        value.undecodable = undecodable;
    }
    return value;
}

template <class T>
void pack_optional(Packer& out, const std::optional<T>& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    out.put(static_cast<std::uint8_t>(value.has_value()));
    if (value) out.raw(&*value, sizeof *value);
}

template <class T>
void unpack_optional(Unpacker& in, std::optional<T>& value) {
    if (in.get<std::uint8_t>()) in.raw(&value.emplace(), sizeof(T));
}

// What says more about a refusal crosses as a number in one of three lists that both sides have.
enum class From : std::uint8_t { nothing, words, wanted, syntaxes };

void pack_detail(Packer& out, std::string_view detail, const Wanted& wanted) {
    const auto put = [&](From from, std::size_t number) {
        out.put(from);
        out.put(static_cast<std::uint32_t>(number));
    };
    if (detail.empty()) return put(From::nothing, 0);
    for (std::size_t i = 0; i < wanted.size(); ++i)
        if (wanted.name(i) == detail) return put(From::wanted, i);
    for (std::size_t i = 0; i < std::size(kWords); ++i)
        if (kWords[i] == detail) return put(From::words, i);
    for (std::size_t i = 0; i < syntaxes().size(); ++i)
        if (syntaxes()[i].name == detail) return put(From::syntaxes, i);
    throw std::logic_error("a word that is in no list");
}

std::string unpack_detail(Unpacker& in, const Wanted& wanted) {
    const auto from = in.get<From>();
    const auto number = in.get<std::uint32_t>();
    switch (from) {
        case From::nothing:
            return {};
        case From::words:
            refuse_unless(number < std::size(kWords));
            return std::string(kWords[number]);
        case From::wanted:
            refuse_unless(number < wanted.size());
            return wanted.name(number);
        case From::syntaxes:
            refuse_unless(number < syntaxes().size());
            return std::string(syntaxes()[number].name);
    }
    throw std::out_of_range("not what a worker writes");
}

// Of what a file has as many as it likes.
template <class Put>
void pack_many(Reason reason, Put put) {
    try {
        put();
    } catch (const std::length_error&) {
        throw Refused(reason, "more than a message holds");
    }
}

// Calls `one` with each fact that is one text, in one order for both directions.
template <class SomeFacts, class One>
void each_fact(SomeFacts& facts, One one) {
    one(facts.transfer_syntax);
    one(facts.sop_class);
    one(facts.modality);
    one(facts.image_type);
    one(facts.conversion_type);
    one(facts.body_part);
    one(facts.burned_in_annotation);
    one(facts.recognizable_features);
    one(facts.specimen_label);
    one(facts.study_description);
    one(facts.series_description);
    one(facts.protocol_name);
}

// Calls `one` with each member of a frame, in one order for both directions.
template <class AFrame, class One>
void each_member(AFrame& frame, One one) {
    one(frame.position);
    one(frame.orientation);
    one(frame.spacing);
    one(frame.thickness);
    one(frame.slice_spacing);
    one(frame.slope);
    one(frame.intercept);
    one(frame.instance);
    one(frame.acquisition);
    one(frame.temporal);
    one(frame.echo);
    one(frame.stack);
    one(frame.trigger_ms);
    one(frame.b_value);
    one(frame.kind);
}

void pack_table(Packer& out, const std::optional<ModalityTable>& table) {
    out.put(static_cast<std::uint32_t>(table ? table->entries.size() : 0));
    if (!table) return;
    out.put(table->first);
    out.raw(table->entries.data(), table->entries.size() * sizeof table->entries[0]);
}

std::optional<ModalityTable> unpack_table(Unpacker& in) {
    const auto entries = in.get<std::uint32_t>();
    refuse_unless(entries <= 0x10000);
    if (entries == 0) return std::nullopt;
    ModalityTable table;
    table.first = in.get<std::int32_t>();
    table.entries.resize(entries);
    in.raw(table.entries.data(), entries * sizeof table.entries[0]);
    return table;
}

void pack_segmentation(Packer& out, const std::optional<Segmentation>& segmentation) {
    out.put(static_cast<std::uint8_t>(segmentation.has_value()));
    if (!segmentation) return;
    out.put(static_cast<std::uint8_t>(segmentation->is_fractional));
    out.put(static_cast<std::uint8_t>(segmentation->is_label_map));
    out.put(segmentation->full);
    out.put(static_cast<std::uint32_t>(segmentation->segments.size()));
    for (const auto& one : segmentation->segments) {
        out.put(one.number);
        out.put(one.code);
    }
    for (const std::uint32_t segment : segmentation->shown) out.put(segment);
    out.put(static_cast<std::uint32_t>(segmentation->sources.size()));
    for (const auto& one : segmentation->sources) {
        out.put(one.instance);
        out.put(one.frame);
    }
    out.put(static_cast<std::uint8_t>(segmentation->is_moved));
}

std::optional<Segmentation> unpack_segmentation(Unpacker& in, std::uint32_t frames) {
    const auto is_one = in.get<std::uint8_t>();
    refuse_unless(is_one <= 1);
    if (!is_one) return std::nullopt;
    Segmentation out;
    const auto is_fractional = in.get<std::uint8_t>();
    refuse_unless(is_fractional <= 1);
    out.is_fractional = is_fractional;
    const auto is_label_map = in.get<std::uint8_t>();
    refuse_unless(is_label_map <= 1);
    out.is_label_map = is_label_map;
    out.full = in.get<std::uint16_t>();
    const auto segments = in.get<std::uint32_t>();
    refuse_unless(segments <= 0xffff);
    for (std::uint32_t i = 0; i < segments; ++i) {
        const auto number = in.get<std::uint32_t>();
        out.segments.push_back({number, in.text()});
    }
    // One after another, so that a number that is too great ends with the message.
    for (std::uint32_t i = 0; i < frames; ++i) out.shown.push_back(in.get<std::uint32_t>());
    const auto sources = in.get<std::uint32_t>();
    for (std::uint32_t i = 0; i < sources; ++i) {
        std::string instance = in.text();
        out.sources.push_back({std::move(instance), in.get<std::uint32_t>()});
    }
    const auto is_moved = in.get<std::uint8_t>();
    refuse_unless(is_moved <= 1);
    out.is_moved = is_moved;
    return out;
}

void pack_value(Packer& out, const std::optional<Value>& value, bool is_table) {
    out.put(static_cast<std::uint8_t>(value.has_value()));
    if (!value) return;
    out.put(value->bytes);
    if (is_table) return;
    out.put(value->vr[0]);
    out.put(value->vr[1]);
    out.put(static_cast<std::uint8_t>(value->undecodable));
}

// Pixels, and what stands beside them.
void pack_picture(Packer& out, const Record& record) {
    const Pixels& pixels = record.pixels;
    for (const std::uint32_t count : {pixels.frames, pixels.rows, pixels.columns, pixels.samples})
        out.put(count);
    out.put(pixels.type);
    out.put(pixels.bits_allocated);
    out.put(pixels.bits_stored);
    out.put(pixels.photometric);
    out.put(pixels.palette);
    out.put(pixels.turned);
    out.put(static_cast<std::uint64_t>(pixels.bytes.size()));
    out.raw(pixels.sha256.data(), pixels.sha256.size());
    out.put(static_cast<std::uint32_t>(record.frames.size()));
    for (const Frame& frame : record.frames)
        each_member(frame, [&](const auto& value) { pack_optional(out, value); });
    out.put(record.units);
    pack_table(out, record.modality_table);
    pack_optional(out, record.padding);
    pack_optional(out, record.imager_spacing);
    pack_segmentation(out, record.segmentation);
    out.put(record.deviations);
}

}  // namespace

void pack(Packer& out, const Wanted& wanted, const Limits& limits) {
    out.raw(&limits, sizeof limits);
    out.put(wanted.format().name);
    out.put(wanted.form().separator);
    out.put(wanted.form().encoding);
    out.put(wanted.form().title_rows);
    out.put(static_cast<std::uint32_t>(wanted.size()));
    for (std::size_t i = 0; i < wanted.size(); ++i) out.put(wanted.name(i));
}

Configuration unpack_configuration(Unpacker& in) {
    Configuration configuration;
    in.raw(&configuration.limits, sizeof configuration.limits);
    const Format* format = find_format(in.text());
    refuse_unless(format != nullptr);
    TableForm form;
    form.separator = in.get<char>();
    form.encoding = in.text();
    form.title_rows = in.get<std::uint32_t>();
    std::vector<std::string> names(in.get<std::uint32_t>());
    for (std::string& name : names) name = in.text();
    configuration.wanted = Wanted::of(*format, std::move(names), std::move(form));
    return configuration;
}

void pack(Packer& out, const Record& record, const Wanted& wanted) {
    out.put(record.reason);
    pack_detail(out, record.detail, wanted);
    out.put(record.row);
    out.put(record.file_bytes);
    const bool is_table = record.row != 0;
    if (!is_table) out.raw(record.file_sha256.data(), record.file_sha256.size());
    if (record.reason != Reason::none) return;

    pack_many(Reason::value_too_large, [&] {
        for (const auto& value : record.values) pack_value(out, value, is_table);
        if (is_table) return;
        each_fact(record.facts, [&](const std::string& fact) { out.put(fact); });
        out.put(static_cast<std::uint32_t>(record.facts.anatomy.size()));
        for (const std::string& word : record.facts.anatomy) out.put(word);
    });
    if (is_table) return;
    pack_many(Reason::too_many_elements, [&] { pack_picture(out, record); });
}

Record unpack_record(Unpacker& in, const Wanted& wanted, std::span<const std::uint8_t> room) {
    Record record;
    record.reason = in.get<Reason>();
    refuse_unless(record.reason < Reason::count_);
    record.detail = unpack_detail(in, wanted);
    record.row = in.get<std::uint64_t>();
    record.file_bytes = in.get<std::uint64_t>();
    const bool is_table = record.row != 0;
    refuse_unless(is_table == wanted.is_table());
    if (!is_table) in.raw(record.file_sha256.data(), record.file_sha256.size());
    if (record.reason != Reason::none) return record;

    record.values.reserve(wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) record.values.push_back(unpack_value(in, is_table));
    if (is_table) return record;

    each_fact(record.facts, [&](std::string& fact) { fact = in.text(); });
    const auto words = in.get<std::uint32_t>();
    refuse_unless(words <= kAnatomyWords);
    for (std::uint32_t i = 0; i < words; ++i) record.facts.anatomy.push_back(in.text());
    Pixels& pixels = record.pixels;
    for (std::uint32_t* count : {&pixels.frames, &pixels.rows, &pixels.columns, &pixels.samples})
        *count = in.get<std::uint32_t>();
    pixels.type = in.get<PixelType>();
    pixels.bits_allocated = in.get<std::uint16_t>();
    pixels.bits_stored = in.get<std::uint16_t>();
    pixels.photometric = in.text();
    pixels.palette = in.text();
    refuse_unless(pixels.palette.size() <= 4 * 256 && pixels.palette.size() % 4 == 0);
    pixels.turned = in.get<std::uint8_t>();
    refuse_unless(pixels.turned >= 1 && pixels.turned <= 8);
    const auto bytes = in.get<std::uint64_t>();
    in.raw(pixels.sha256.data(), pixels.sha256.size());
    refuse_unless(pixels.rows <= 0xffff && pixels.columns <= 0xffff && pixels.samples <= 3 &&
                  pixels.type <= PixelType::f64);
    const std::uint64_t frame =
        std::uint64_t{pixels.rows} * pixels.columns * pixels.samples * pixel_type_bytes(pixels.type);
    refuse_unless(frame == 0 || pixels.frames <= room.size() / frame);  // so that byte_count() cannot wrap
    if (bytes) {
        refuse_unless(bytes == pixels.byte_count() && bytes <= room.size());
        pixels.bytes = room.first(bytes);
    }
    const auto frames = in.get<std::uint32_t>();
    refuse_unless(frames <= 1 || frames == pixels.frames);
    record.frames.resize(frames);
    for (Frame& one : record.frames) each_member(one, [&](auto& value) { unpack_optional(in, value); });
    record.units = in.get<Units>();
    refuse_unless(record.units <= Units::other);
    record.modality_table = unpack_table(in);
    unpack_optional(in, record.padding);
    unpack_optional(in, record.imager_spacing);
    record.segmentation = unpack_segmentation(in, pixels.frames);
    record.deviations = in.get<std::uint32_t>();
    return record;
}

}  // namespace staging
