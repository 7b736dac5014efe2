#pragma once
#include <bitset>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "staging/read/dicom/character_set.h"
#include "staging/read/dicom/geometry.h"
#include "staging/read/dicom/modality.h"
#include "staging/read/dicom/pixels.h"
#include "staging/read/dicom/segmentation.h"
#include "staging/read/dicom/siemens.h"
#include "staging/read/dicom/walker.h"
#include "staging/read/record.h"

namespace staging {

// Keeps what is wanted of the elements that pass, what they say of frames and pixels, and where the pixels are.
class Keeper final : public Visitor {
public:
    Keeper(const Wanted& wanted, const Limits& limits);

    void element(const Element& element) override;
    bool wants(std::span<const Step> path) override;
    bool wants_private(Tag tag) override;
    void native_pixels(Tag tag, Vr vr, core::ByteView bytes, std::uint64_t size) override;
    void encapsulated_pixels(core::ByteView table, std::vector<core::ByteView> fragments) override;
    void deviates(Deviation deviation) override { deviations |= 1U << static_cast<unsigned>(deviation); }

    // Into the record, all but the pixels themselves. Throws Refused.
    void finish(Record& record);
    bool is_label_map() const { return segmentation_ && segmentation_->is_label_map(); }

    PixelHeader header;
    SiemensHeader siemens;
    PixelSource source;
    std::uint32_t deviations = 0;

private:
    enum class Place { root, shared, frames, none };
    // What frames say of an attribute, each for itself.
    struct OfFrames {
        std::size_t last = 0, count = 0;
        bool differs = false;
    };
    // `frame`: whose functional group it is, of Place::frames.
    void keep(std::size_t index, const Attribute& attribute, const Element& element, Place place,
              std::size_t frame = 0);
    Value value_of(const Attribute& attribute, const Element& element);
    void root(const Element& element);
    void private_element(const Element& element);
    void anatomy(const Element& element);
    std::string text(const Element& element);
    std::optional<std::string> decoded(const Element& element, Vr vr);
    void found(PixelSource::Kind kind);

    const Wanted& wanted_;
    const Limits& limits_;
    std::bitset<4096> last_tags_, sequence_tags_;  // of wanted paths, by hash: most elements are none of them
    std::vector<std::optional<Value>> values_;
    std::map<Tag, std::string> creators_;  // (gggg,00bb): whose block bb of the group is
    std::vector<Place> places_;  // where each value was found: the root's counts, then the shared group's
    std::vector<OfFrames> of_frames_;
    std::set<Tag> frame_groups_;  // of the first frame, those with something wanted
    Facts facts_;
    FrameCollector frames_;
    std::optional<SegmentationCollector> segmentation_;  // once the object says that it is one
    std::optional<double> padding_, padding_to_;
    ModalityCollector modality_;
    // Sequences that make sense once: their items are counted from 0 each time.
    static constexpr Tag kOnce[] = {kSharedGroups, kPerFrameGroups, 0x00283000, 0x00620002};
    bool seen_[std::size(kOnce)] = {};
    std::map<std::string, CharacterSet, std::less<>> character_sets_;
};

}  // namespace staging
