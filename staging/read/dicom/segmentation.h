#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "staging/read/dicom/walker.h"
#include "staging/read/record.h"

namespace staging {

// Segmentation Storage and Label Map Segmentation Storage (PS3.4 annex B.5).
constexpr char kSegmentationClass[] = "1.2.840.10008.5.1.4.1.1.66.4",
               kLabelMapClass[] = "1.2.840.10008.5.1.4.1.1.66.7";

// Collects what a segmentation's frames mean (PS3.3 sections C.8.20.2 and C.8.20.3): segments and their codes, which
// of them each frame shows, and the images it was made of.
class SegmentationCollector {
public:
    explicit SegmentationCollector(bool is_label_map) : is_label_map_(is_label_map) {}
    bool is_label_map() const noexcept { return is_label_map_; }
    // Whether the sequence at the end of `path` is one to look into.
    static bool wants(std::span<const Step> path);
    // Any element of the data set that the walker meets. Throws Refused(too_many_elements).
    void element(const Element& element, const Limits& limits);
    // Nothing if the object is no segmentation. Where some frames name an image and some none, the sources have one
    // without a name, too. Throws Refused(too_many_elements).
    std::optional<Segmentation> finish(std::uint32_t frames, const Limits& limits) const;

private:
    struct Coded {
        std::uint32_t number = 0;
        std::string scheme, value;
    };
    bool is_label_map_;
    std::string type_;
    std::uint16_t full_ = 0;
    bool is_moved_ = false;
    std::vector<Coded> segments_;
    std::uint32_t shared_ = 0;
    std::map<std::uint32_t, std::uint32_t> per_frame_;
    // By the items that lead to them; the frames' own, and the object's.
    std::map<std::vector<std::uint32_t>, Segmentation::Source> of_frames_, of_object_;
};

}  // namespace staging
