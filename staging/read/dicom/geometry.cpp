#include "staging/read/dicom/geometry.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "staging/read/dicom/dictionary.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

constexpr Vr kUn{'U', 'N'};

// The functional groups that are looked into.
constexpr bool is_macro(Tag tag) {
    switch (tag) {
        case 0x00289110:  // PixelMeasuresSequence
        case 0x00209113:  // PlanePositionSequence
        case 0x00209116:  // PlaneOrientationSequence
        case 0x00289145:  // PixelValueTransformationSequence
        case 0x00209111:  // FrameContentSequence
        case 0x00189114:  // MREchoSequence
        case 0x00189117:  // MRDiffusionSequence
        case 0x00189118:  // CardiacSynchronizationSequence
        case 0x00189226:  // MRImageFrameTypeSequence
        case 0x00189329:  // CTImageFrameTypeSequence
        case 0x00189751:  // PETFrameTypeSequence
            return true;
        default:
            return false;
    }
}

Value as_value(const Element& element, Vr vr) {
    Value value;
    value.bytes = core::text(element.value);
    value.vr = element.vr == kUn ? vr : element.vr;
    if (element.big_endian) {
        const std::size_t word = word_bytes(value.vr);
        for (std::size_t at = 0; at + word <= value.bytes.size(); at += word)
            std::reverse(value.bytes.begin() + static_cast<std::ptrdiff_t>(at),
                         value.bytes.begin() + static_cast<std::ptrdiff_t>(at + word));
    }
    return value;
}

constexpr std::size_t kLongest = 256;  // of a value that is a few numbers

template <std::size_t Count>
void numbers(const Element& element, Vr vr, std::optional<std::array<double, Count>>& to) {
    if (element.value.size() > kLongest) return;
    const Value value = as_value(element, vr);
    std::array<double, Count> found;
    for (std::size_t i = 0; i < Count; ++i) {
        const auto one = number(value, i);
        if (!one) return;
        found[i] = *one;
    }
    to = found;
}

void one(const Element& element, Vr vr, std::optional<double>& to) {
    if (const auto found = number_in(element, vr)) to = found;
}

void one(const Element& element, Vr vr, std::optional<std::int64_t>& to) {
    // IS, by some writers with a decimal point.
    if (const auto found = number_in(element, vr))
        if (*found == std::floor(*found) && std::abs(*found) < 9e15) to = static_cast<std::int64_t>(*found);
}

template <class T>
void fall_back(std::optional<T>& value, const std::optional<T>& to) {
    if (!value) value = to;
}

void fall_back(Frame& frame, const Frame& to) {
    fall_back(frame.position, to.position);
    fall_back(frame.orientation, to.orientation);
    fall_back(frame.spacing, to.spacing);
    fall_back(frame.thickness, to.thickness);
    fall_back(frame.slice_spacing, to.slice_spacing);
    fall_back(frame.slope, to.slope);
    fall_back(frame.intercept, to.intercept);
    fall_back(frame.instance, to.instance);
    fall_back(frame.acquisition, to.acquisition);
    fall_back(frame.temporal, to.temporal);
    fall_back(frame.echo, to.echo);
    fall_back(frame.stack, to.stack);
    fall_back(frame.trigger_ms, to.trigger_ms);
    fall_back(frame.b_value, to.b_value);
}

std::string text_of(const Element& element) {
    return std::string(trimmed(core::text(element.value.first(std::min(element.value.size(), kLongest)))));
}

}  // namespace

std::optional<double> number_in(const Element& element, Vr vr, std::size_t n) {
    if (element.value.size() > kLongest) return std::nullopt;
    return number(as_value(element, vr), n);
}

bool FrameCollector::wants(std::span<const Step> path) {
    const Tag first = path.front().tag;
    if (first != kSharedGroups && first != kPerFrameGroups) return false;
    return path.size() == 1 || (path.size() == 2 && is_macro(path[1].tag));
}

void FrameCollector::saw_frame(std::size_t index, const Limits& limits) {
    if (index >= limits.fragments)
        throw Refused(Reason::too_many_elements, "PerFrameFunctionalGroupsSequence");
    if (index >= per_frame_.size()) per_frame_.resize(index + 1);
}

void FrameCollector::element(const Element& element) {
    const auto path = element.path;
    if (path.size() == 1) return set(root_, element);
    if (path.size() != 3 || path[1].item != 0 || !is_macro(path[1].tag)) return;
    if (path[0].tag == kSharedGroups) {
        if (path[0].item == 0) set(shared_, element);
    } else if (path[0].tag == kPerFrameGroups) {
        set(per_frame_.at(path[0].item), element);
    }
}

void FrameCollector::set(Raw& raw, const Element& element) {
    constexpr Vr kDs{'D', 'S'}, kIs{'I', 'S'}, kUl{'U', 'L'}, kUs{'U', 'S'}, kFd{'F', 'D'};
    Frame& frame = raw.frame;
    switch (element.path.back().tag) {
        case 0x00200032:  // ImagePositionPatient
            return numbers(element, kDs, frame.position);
        case 0x00200037:  // ImageOrientationPatient
            return numbers(element, kDs, frame.orientation);
        case 0x00280030:  // PixelSpacing
            return numbers(element, kDs, frame.spacing);
        case 0x00181164:  // ImagerPixelSpacing
            if (&raw == &root_) numbers(element, kDs, imager_spacing_);
            return;
        case 0x00180050:  // SliceThickness
            return one(element, kDs, frame.thickness);
        case 0x00180088:  // SpacingBetweenSlices
            return one(element, kDs, frame.slice_spacing);
        case 0x00281052:  // RescaleIntercept
            return one(element, kDs, frame.intercept);
        case 0x00281053:  // RescaleSlope
            return one(element, kDs, frame.slope);
        case 0x00281054: {  // RescaleType
            const std::string type = text_of(element);
            rescale_type_ = rescale_type_.empty() || rescale_type_ == type ? type : "several";
            return;
        }
        case 0x00200013:  // InstanceNumber
            return one(element, kIs, frame.instance);
        case 0x00200012:  // AcquisitionNumber
            return one(element, kIs, frame.acquisition);
        case 0x00209156:  // FrameAcquisitionNumber
            return one(element, kUs, frame.acquisition);
        case 0x00200100:  // TemporalPositionIdentifier
            return one(element, kIs, frame.temporal);
        case 0x00209128:  // TemporalPositionIndex
            return one(element, kUl, frame.temporal);
        case 0x00180086:  // EchoNumbers
            return one(element, kIs, frame.echo);
        case 0x00189082:  // EffectiveEchoTime
            return one(element, kFd, raw.echo_time);
        case 0x00209056:  // StackID
            raw.stack = text_of(element);
            return;
        case 0x00080008:  // ImageType
        case 0x00089007:  // FrameType
            raw.frame_type = text_of(element);
            return;
        case 0x00089208:  // ComplexImageComponent
            raw.component = text_of(element);
            return;
        case 0x00181060:  // TriggerTime
            return one(element, kDs, frame.trigger_ms);
        case 0x00209153:  // NominalCardiacTriggerDelayTime
            return one(element, kFd, frame.trigger_ms);
        case 0x00189087:  // DiffusionBValue
            return one(element, kFd, frame.b_value);
        default:
            return;
    }
}

std::vector<Frame> FrameCollector::finish(std::uint32_t count) const {
    const auto fill = [&](Raw raw) {
        fall_back(raw.frame, shared_.frame);
        fall_back(raw.frame, root_.frame);
        if (!raw.echo_time) raw.echo_time = shared_.echo_time;
        for (const auto word : {&Raw::stack, &Raw::frame_type, &Raw::component})
            for (const Raw* outer : {&shared_, &root_})
                if ((raw.*word).empty()) raw.*word = outer->*word;
        if (!raw.frame_type.empty() || !raw.component.empty()) {
            const core::Digest digest = core::sha256(core::view(raw.frame_type + '\n' + raw.component));
            std::int64_t kind = 0;
            for (std::size_t i = 0; i < 6; ++i) kind = kind << 8 | digest[i];
            raw.frame.kind = kind;
        }
        return raw;
    };
    if (per_frame_.empty()) return {fill({}).frame};
    if (per_frame_.size() != count)
        throw Refused(Reason::pixel_size_mismatch, "PerFrameFunctionalGroupsSequence");
    std::vector<Raw> all;
    std::set<double> echoes;
    std::set<std::string> stacks;
    for (const Raw& raw : per_frame_) {
        all.push_back(fill(raw));
        if (all.back().echo_time) echoes.insert(*all.back().echo_time);
        if (!all.back().stack.empty()) stacks.insert(all.back().stack);
    }
    std::vector<Frame> frames;
    frames.reserve(all.size());
    for (Raw& raw : all) {
        if (raw.echo_time) raw.frame.echo = std::distance(echoes.begin(), echoes.find(*raw.echo_time)) + 1;
        if (!raw.stack.empty()) raw.frame.stack = std::distance(stacks.begin(), stacks.find(raw.stack)) + 1;
        frames.push_back(raw.frame);
    }
    if (std::ranges::all_of(frames, [&](const Frame& frame) { return frame == frames.front(); }))
        frames.resize(1);
    // One file has one InstanceNumber: in it, frames have the order that the object gives them.
    for (std::size_t n = 0; frames.size() > 1 && n < frames.size(); ++n) {
        const std::int64_t of_file = frames[n].instance.value_or(0);
        constexpr std::int64_t kMost = std::int64_t{1} << 31;
        frames[n].instance =
            (of_file >= 0 && of_file < kMost ? of_file : 0) << 32 | static_cast<std::int64_t>(n + 1);
    }
    return frames;
}

}  // namespace staging
