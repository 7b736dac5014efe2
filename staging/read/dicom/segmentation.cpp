#include "staging/read/dicom/segmentation.h"

#include <algorithm>
#include <set>

#include "staging/read/dicom/geometry.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

constexpr Tag kSegments = 0x00620002, kPropertyType = 0x0062000f, kIdentification = 0x0062000a,
              kDerivation = 0x00089124, kSourceImage = 0x00082112, kReferencedSeries = 0x00081115,
              kReferencedInstance = 0x0008114a;
// Of a UID, a code and a scheme: one more than they may have, which is seen.
constexpr std::size_t kLongest = 65;

std::string text(const Element& element) {
    return std::string(trimmed(core::text(element.value.first(std::min(element.value.size(), kLongest)))));
}

std::uint32_t whole(const Element& element, Vr vr) {
    const auto found = number_in(element, vr);
    return found && *found >= 0 && *found <= 0xffffffff ? static_cast<std::uint32_t>(*found) : 0;
}

bool is_group(Tag tag) {
    return tag == kSharedGroups || tag == kPerFrameGroups;
}

// Whether the sequences of a path are these, whatever their items.
bool leads_through(std::span<const Step> path, std::initializer_list<Tag> tags) {
    return path.size() == tags.size() &&
           std::equal(path.begin(), path.end(), tags.begin(),
                      [](const Step& step, Tag tag) { return step.tag == tag; });
}

}  // namespace

bool SegmentationCollector::wants(std::span<const Step> path) {
    if (is_group(path[0].tag))
        return leads_through(path, {path[0].tag}) || leads_through(path, {path[0].tag, kIdentification}) ||
               leads_through(path, {path[0].tag, kDerivation}) ||
               leads_through(path, {path[0].tag, kDerivation, kSourceImage});
    return leads_through(path, {kSegments}) || leads_through(path, {kSegments, kPropertyType}) ||
           leads_through(path, {kReferencedSeries}) ||
           leads_through(path, {kReferencedSeries, kReferencedInstance});
}

void SegmentationCollector::element(const Element& element, const Limits& limits) {
    constexpr Vr kUs{'U', 'S'}, kIs{'I', 'S'};
    const auto path = element.path.first(element.path.size() - 1);
    const Tag tag = element.path.back().tag;
    if (path.empty()) {
        if (tag == 0x00620001) type_ = text(element);
        if (tag == 0x0062000e) full_ = static_cast<std::uint16_t>(whole(element, kUs));
        return;
    }
    if (path[0].tag == kSegments) {
        // Numbers are of 16 bits.
        if (path[0].item >= 0xffff) throw Refused(Reason::too_many_elements, "SegmentSequence");
        if (path[0].item >= segments_.size()) segments_.resize(path[0].item + 1);
        Coded& segment = segments_[path[0].item];
        if (path.size() == 1 && tag == 0x00620004) segment.number = whole(element, kUs);
        if (!leads_through(path, {kSegments, kPropertyType}) || path[1].item != 0) return;
        if (tag == 0x00080100) segment.value = text(element);
        if (tag == 0x00080102) segment.scheme = text(element);
        return;
    }
    if (is_group(path[0].tag) && leads_through(path, {path[0].tag, kIdentification}) && tag == 0x0062000b &&
        path[1].item == 0) {
        if (path[0].tag == kSharedGroups)
            shared_ = whole(element, kUs);
        else
            per_frame_[path[0].item] = whole(element, kUs);
        return;
    }
    const bool of_frame =
        leads_through(path, {path[0].tag, kDerivation, kSourceImage}) && is_group(path[0].tag);
    if (!of_frame && !leads_through(path, {kReferencedSeries, kReferencedInstance})) return;
    if (of_frame && tag == 0x0028135a) is_moved_ |= !text(element).empty() && text(element) != "YES";
    if (tag != 0x00081155 && tag != 0x00081160) return;
    auto& all = of_frame ? of_frames_ : of_object_;
    std::vector<std::uint32_t> items;
    for (const Step& step : path) items.push_back(step.item);
    if (of_frame) items.push_back(path[0].tag);
    if (all.size() >= limits.fragments) throw Refused(Reason::too_many_elements, "SourceImageSequence");
    Segmentation::Source& one = all[items];
    if (tag == 0x00081155) one.instance = text(element);
    // One frame is told from others; of several the first is enough to find the image.
    if (tag == 0x00081160) one.frame = whole(element, kIs);
}

std::optional<Segmentation> SegmentationCollector::finish(std::uint32_t frames, const Limits& limits) const {
    Segmentation out;
    out.is_fractional = !is_label_map_ && type_ == "FRACTIONAL";
    out.is_label_map = is_label_map_ && type_ == "LABELMAP";
    if (is_label_map_ ? !out.is_label_map : !out.is_fractional && type_ != "BINARY") return std::nullopt;
    // As many as groups of them may be: a frame may be of one bit.
    if (frames > limits.fragments) throw Refused(Reason::too_many_elements, "NumberOfFrames");
    out.full = full_;
    for (const Coded& one : segments_) out.segments.push_back({one.number, one.scheme + ":" + one.value});
    out.shown.assign(frames, shared_);
    for (const auto& [frame, segment] : per_frame_)
        if (frame < frames) out.shown[frame] = segment;
    std::set<Segmentation::Source> sources;
    std::set<std::uint32_t> named;  // frames
    bool all_named = false;
    for (const auto& [items, one] : of_frames_) {
        const bool is_shared = items.back() == kSharedGroups;
        if (one.instance.empty() || (!is_shared && items.front() >= frames)) continue;  // of no frame
        sources.insert(one);
        all_named = all_named || is_shared;
        if (!is_shared) named.insert(items.front());
    }
    if (!sources.empty() && !all_named && named.size() < frames) sources.emplace();  // of the others
    if (sources.empty())
        for (const auto& [items, one] : of_object_)
            if (!one.instance.empty()) sources.insert(one);
    out.sources.assign(sources.begin(), sources.end());
    out.is_moved = is_moved_;
    return out;
}

}  // namespace staging
