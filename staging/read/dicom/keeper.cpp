#include "staging/read/dicom/keeper.h"

#include <algorithm>
#include <utility>

#include "staging/read/dicom/dictionary.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

constexpr Vr kUn{'U', 'N'};

std::size_t hash(Tag tag) {
    return (tag ^ tag >> 16) % 4096;
}

// Attributes that are "US or SS" by PixelRepresentation.
bool is_pixel_valued(Tag tag) {
    return tag == 0x00280106 || tag == 0x00280107 || tag == 0x00280120 || tag == 0x00280121;
}

// The last step of `path` is the sequence itself, whose item is not known yet.
bool leads_to(std::span<const Step> path, std::span<const Step> steps) {
    return steps.size() > path.size() && std::equal(path.begin(), path.end() - 1, steps.begin()) &&
           steps[path.size() - 1].tag == path.back().tag;
}

// What functional groups may hold of an attribute that a profile names at the root. What tells who the patient is
// stands at the root, or nowhere.
bool may_be_in_groups(const Attribute& attribute) {
    return attribute.steps.front().tag >> 16 != 0x0010 && attribute.steps.front().tag != 0x00080018 &&
           attribute.steps.front().tag != kSharedGroups && attribute.steps.front().tag != kPerFrameGroups;
}

bool is_creator(Tag tag) {
    return (tag & 0xffff) >= 0x10 && (tag & 0xffff) <= 0xff;
}

std::optional<std::uint16_t> u16(const Element& element) {
    if (element.value.size() < 2) return std::nullopt;
    const unsigned a = element.value[0], b = element.value[1];
    return static_cast<std::uint16_t>(element.big_endian ? a << 8 | b : b << 8 | a);
}

}  // namespace

Keeper::Keeper(const Wanted& wanted, const Limits& limits) : wanted_(wanted), limits_(limits) {
    values_.resize(wanted.size());
    places_.assign(wanted.size(), Place::none);
    of_frames_.resize(wanted.size());
    for (const Attribute& attribute : wanted.attributes()) {
        last_tags_.set(hash(attribute.steps.back().tag));
        for (const Step& step : std::span(attribute.steps).first(attribute.steps.size() - 1))
            sequence_tags_.set(hash(step.tag));
    }
}

bool Keeper::wants(std::span<const Step> path) {
    const Tag first = path.front().tag, last = path.back().tag;
    if (path.size() == 1) {
        for (std::size_t i = 0; i < std::size(kOnce); ++i)
            if (last == kOnce[i] && std::exchange(seen_[i], true))
                throw Refused(Reason::malformed, "element twice");
    }
    if (first == kPerFrameGroups && path.size() == 2) frames_.saw_frame(path.front().item, limits_);
    if (last == kAnatomicRegion || last == kPrimaryStructure || last == kFrameAnatomy ||
        FrameCollector::wants(path) || ModalityCollector::wants(path) ||
        (segmentation_ && SegmentationCollector::wants(path)))
        return true;
    const bool in_groups =
        first == kSharedGroups ||
        (first == kPerFrameGroups &&
         (path.front().item == 0 || (path.size() > 1 && frame_groups_.contains(path[1].tag))));
    // A group itself may hold any attribute: which ones, its elements tell.
    if (in_groups && path.size() == 2 && last_tags_.any()) return true;
    if (!sequence_tags_.test(hash(last))) return false;
    return std::ranges::any_of(wanted_.attributes(), [&](const Attribute& attribute) {
        return leads_to(path, attribute.steps) ||
               (in_groups && path.size() > 2 && may_be_in_groups(attribute) &&
                leads_to(path.subspan(2), attribute.steps));
    });
}

bool Keeper::wants_private(Tag tag) {
    if (is_siemens(tag)) return true;
    const std::uint32_t number = tag & 0xffff;
    return std::ranges::any_of(wanted_.attributes(), [&](const Attribute& attribute) {
        const Tag wanted = attribute.steps.front().tag;
        if (attribute.creator.empty() || wanted >> 16 != tag >> 16) return false;
        return is_creator(tag) || (number >= 0x1000 && (number & 0xff) == (wanted & 0xff));
    });
}

// PS3.5 section 7.8.1: (gggg,00bb) says whose the elements (gggg,bb00) to (gggg,bbFF) are. One whose creator does not
// stand before it is nobody's.
void Keeper::private_element(const Element& element) {
    const Tag tag = element.path.back().tag;
    if (is_creator(tag)) {
        const auto [at, is_new] = creators_.try_emplace(tag, trimmed(core::text(element.value)));
        if (!is_new && at->second != trimmed(core::text(element.value)))
            throw Refused(Reason::malformed, "element twice");
        return;
    }
    const auto owner = creators_.find((tag & 0xffff0000) | (tag & 0xff00) >> 8);
    if (owner == creators_.end()) return;
    const auto attributes = wanted_.attributes();
    for (std::size_t i = 0; i < attributes.size(); ++i)
        if (!attributes[i].creator.empty() && attributes[i].creator == owner->second &&
            attributes[i].steps.front().tag == (tag & 0xffff00ff))
            keep(i, attributes[i], element, Place::root);
}

void Keeper::element(const Element& element) {
    const auto path = element.path;
    const Tag tag = path.back().tag;
    if (path.size() == 1) root(element);
    if (tag >> 16 & 1) return private_element(element);
    frames_.element(element);
    modality_.element(element);
    if (segmentation_) segmentation_->element(element, limits_);
    if (path.size() > 1) anatomy(element);
    if (!last_tags_.test(hash(tag))) return;
    Place in_groups = Place::none;
    if (path.size() > 2 && path[1].item == 0)
        in_groups = path[0].tag == kSharedGroups && path[0].item == 0 ? Place::shared
                    : path[0].tag == kPerFrameGroups                  ? Place::frames
                                                                      : Place::none;
    const auto attributes = wanted_.attributes();
    for (std::size_t i = 0; i < attributes.size(); ++i) {
        if (attributes[i].steps.back().tag != tag) continue;
        if (std::ranges::equal(attributes[i].steps, path))
            keep(i, attributes[i], element, Place::root);
        else if (in_groups != Place::none && may_be_in_groups(attributes[i]) &&
                 std::ranges::equal(attributes[i].steps, path.subspan(2)))
            keep(i, attributes[i], element, in_groups, path[0].item);
    }
}

// Two values for one attribute at one place are two truths, of which none is taken; at different places the one that
// stands further out counts. What each frame says for itself is the object's only if all of them say the same.
void Keeper::keep(std::size_t index, const Attribute& attribute, const Element& element, Place place,
                  std::size_t frame) {
    if (place > places_[index]) return;
    Value value = value_of(attribute, element);
    const bool is_known = values_[index] && place == places_[index];
    if (place == Place::frames) {
        OfFrames& all = of_frames_[index];
        if (is_known ? all.last == frame : frame != 0) return;  // two functional groups: the first
        frame_groups_.insert(element.path[1].tag);
        all.last = frame;
        ++all.count;
        if (is_known) {
            const bool is_same = is_text(value.vr) ? trimmed(value.bytes) == trimmed(values_[index]->bytes)
                                                   : value.bytes == values_[index]->bytes;
            all.differs |= !is_same;
            return;
        }
    } else if (is_known && values_[index]->bytes != value.bytes) {
        if (place == Place::root) throw Refused(Reason::malformed, "element twice");
        return;  // two functional groups: the first
    }
    values_[index] = std::move(value);
    places_[index] = place;
}

Value Keeper::value_of(const Attribute& attribute, const Element& element) {
    if (element.value.size() > limits_.value_bytes)
        throw Refused(Reason::value_too_large, Word::named(attribute.path));
    Value value;
    value.bytes = core::text(element.value);
    value.vr = element.vr == kUn ? attribute.vr : element.vr;
    if (element.vr == kUn && value.vr == Vr{'U', 'S'} && is_pixel_valued(attribute.steps.back().tag) &&
        header.representation == 1)
        value.vr = {'S', 'S'};
    if (is_text(value.vr)) {
        if (auto text = decoded(element, value.vr))
            value.bytes = std::move(*text);
        else
            value.undecodable = true;
    } else if (element.big_endian) {
        const std::size_t word = word_bytes(value.vr);
        for (std::size_t at = 0; at + word <= value.bytes.size(); at += word)
            std::reverse(value.bytes.begin() + static_cast<std::ptrdiff_t>(at),
                         value.bytes.begin() + static_cast<std::ptrdiff_t>(at + word));
    }
    return value;
}

std::optional<std::string> Keeper::decoded(const Element& element, Vr vr) {
    auto known = character_sets_.find(element.charset);
    if (known == character_sets_.end())
        known = character_sets_.emplace(element.charset, CharacterSet(element.charset)).first;
    return known->second.decode(core::text(element.value), vr == Vr{'P', 'N'});
}

// For decisions: what cannot be decoded is as delivered.
std::string Keeper::text(const Element& element) {
    if (element.value.size() > limits_.value_bytes)
        throw Refused(Reason::value_too_large,
                      element.value.size() > kMostValueBytes ? Word("more than 1 MiB") : Word());
    const auto text = decoded(element, element.vr);
    return std::string(trimmed(text ? *text : core::text(element.value)));
}

// Code values and meanings, wherever the object names a region or a structure.
void Keeper::anatomy(const Element& element) {
    const Tag tag = element.path.back().tag;
    if (tag != 0x00080100 && tag != 0x00080104 && tag != 0x00080119 && tag != 0x00080120) return;
    const Tag in = element.path[element.path.size() - 2].tag;
    if (in != kAnatomicRegion && in != kPrimaryStructure) return;
    std::string word = text(element);
    if (word.empty() || std::ranges::find(facts_.anatomy, word) != facts_.anatomy.end()) return;
    if (facts_.anatomy.size() == kAnatomyWords)
        throw Refused(Reason::too_many_elements, "AnatomicRegionSequence");
    facts_.anatomy.push_back(std::move(word));
}

void Keeper::native_pixels(Tag tag, Vr vr, core::ByteView bytes, std::uint64_t size) {
    found(tag == 0x7fe00008   ? PixelSource::Kind::float32
          : tag == 0x7fe00009 ? PixelSource::Kind::float64
                              : PixelSource::Kind::integers);
    source.vr = vr;
    source.native = bytes;
    source.native_bytes = size;
}

void Keeper::encapsulated_pixels(core::ByteView table, std::vector<core::ByteView> fragments) {
    found(PixelSource::Kind::encapsulated);
    source.vr = {'O', 'B'};
    source.offset_table = table;
    source.has_fragments = !fragments.empty();
    source.fragments = std::move(fragments);
}

void Keeper::found(PixelSource::Kind kind) {
    if (source.kind != PixelSource::Kind::none) throw Refused(Reason::malformed, "more than one pixel data");
    source.kind = kind;
}

void Keeper::root(const Element& element) {
    // The same twice is harmless; two that differ are two truths.
    const auto set = [&](auto& to, auto value, auto absent) {
        if (to != absent && to != value) throw Refused(Reason::malformed, "element twice");
        to = std::move(value);
    };
    const auto fact = [&](std::string& to) { set(to, text(element), std::string()); };
    const auto number = [&](std::optional<std::uint16_t>& to) { set(to, u16(element), std::nullopt); };
    const auto words = [&](std::optional<std::string>& to) {
        set(to, std::optional(text(element)), std::nullopt);
    };
    const auto table = [&](std::size_t colour) -> Palette::Table& {
        header.palette.big_endian = element.big_endian;
        return header.palette.tables[colour];
    };
    const Tag tag = element.path.front().tag;
    switch (tag) {
        case 0x00080008:
            return fact(facts_.image_type);
        case 0x00080016:
            fact(facts_.sop_class);
            if (segmentation_) return;
            if (facts_.sop_class == kSegmentationClass) segmentation_.emplace(false);
            if (facts_.sop_class == kLabelMapClass) segmentation_.emplace(true);
            return;
        case 0x00080060:
            return fact(facts_.modality);
        case 0x00080064:
            return fact(facts_.conversion_type);
        case 0x00081030:
            return fact(facts_.study_description);
        case 0x0008103e:
            return fact(facts_.series_description);
        case 0x00180015:
            return fact(facts_.body_part);
        case 0x00181030:
            return fact(facts_.protocol_name);
        case 0x00280301:
            return fact(facts_.burned_in_annotation);
        case 0x00280302:
            return fact(facts_.recognizable_features);
        case 0x00480010:
            return fact(facts_.specimen_label);
        case 0x00190010:
            siemens.creator_0019 = trimmed(core::text(element.value));
            return;
        case 0x0019100a:
            siemens.images = u16(element);
            return;
        case 0x00290010:
            siemens.creator_0029 = trimmed(core::text(element.value));
            return;
        case 0x00291010:
            siemens.csa = element.value;
            return;
        case 0x00280002:
            return number(header.samples);
        case 0x00280004:
            return words(header.photometric);
        case 0x00280006:
            return number(header.planar);
        case 0x00280008:
            return words(header.frames);
        case 0x00280010:
            return number(header.rows);
        case 0x00280011:
            return number(header.columns);
        case 0x00280100:
            return number(header.allocated);
        case 0x00280101:
            return number(header.stored);
        case 0x00280102:
            return number(header.high_bit);
        case 0x00280103:
            return number(header.representation);
        case 0x00280120:
        case 0x00280121: {  // PixelPaddingValue, PixelPaddingRangeLimit
            const bool is_signed = header.representation == 1;
            // Some writers say US of a signed pixel, or the reverse: the bits count.
            Element as_pixels = element;
            if (element.value.size() == 2) as_pixels.vr = {is_signed ? 'S' : 'U', 'S'};
            (tag == 0x00280120 ? padding_ : padding_to_) = number_in(as_pixels, as_pixels.vr);
            return;
        }
        case 0x00280122:
        case 0x00280123:  // the same of float pixels
            (tag == 0x00280122 ? padding_ : padding_to_) = number_in(element, {'F', 'L'});
            return;
        case 0x00280124:
        case 0x00280125:
            (tag == 0x00280124 ? padding_ : padding_to_) = number_in(element, {'F', 'D'});
            return;
        case 0x00281101:
        case 0x00281102:
        case 0x00281103:
            table(tag - 0x00281101).descriptor = element.value;
            return;
        case 0x00281201:
        case 0x00281202:
        case 0x00281203:
            table(tag - 0x00281201).data = element.value;
            return;
        case 0x00281221:
        case 0x00281222:
        case 0x00281223:
            table(tag - 0x00281221).segmented = element.value;
            return;
        default:
            return;
    }
}

void Keeper::finish(Record& record) {
    record.facts = std::move(facts_);
    for (std::size_t i = 0; i < values_.size(); ++i)
        if (places_[i] == Place::frames &&
            (of_frames_[i].differs || of_frames_[i].count != frames_.frames_seen()))
            values_[i].reset();
    record.values = std::move(values_);
    if (source.kind == PixelSource::Kind::none) return;
    record.modality_table = modality_.finish(header.representation == 1);
    record.frames = frames_.finish(frame_count(header));
    record.imager_spacing = frames_.imager_spacing();
    if (segmentation_) record.segmentation = segmentation_->finish(frame_count(header), limits_);
    const Frame& first = record.frames.front();
    const bool by_table = record.modality_table.has_value();
    const std::string& type = by_table ? modality_.type() : frames_.rescale_type();
    // PS3.3 section C.11.1.1.2: a CT image without a type is in Hounsfield units.
    const bool is_ct = record.facts.sop_class == "1.2.840.10008.5.1.4.1.1.2";
    if (type == "HU" || (type.empty() && is_ct && !by_table && first.slope && first.intercept))
        record.units = Units::hounsfield;
    else if (first.slope || first.intercept || by_table)
        record.units = Units::other;
    if (padding_) {
        const double other = padding_to_.value_or(*padding_);
        record.padding = {std::min(*padding_, other), std::max(*padding_, other)};
    }
}

}  // namespace staging
