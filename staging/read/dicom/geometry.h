#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "staging/read/dicom/walker.h"
#include "staging/read/record.h"

namespace staging {

constexpr Tag kSharedGroups = 0x52009229, kPerFrameGroups = 0x52009230;
constexpr Tag kAnatomicRegion = 0x00082218, kPrimaryStructure = 0x00082228, kFrameAnatomy = 0x00209071;

// Collects what frames mean and where they lie: from the root, and from the functional groups of an enhanced object
// (PS3.3 section C.7.6.16.2: pixel measures, plane position and orientation, pixel value transformation, frame content,
// MR echo, diffusion and frame type, cardiac synchronization).
class FrameCollector {
public:
    // Whether the sequence at the end of `path` is one to look into.
    static bool wants(std::span<const Step> path);

    // There is a functional group of frame `index`. Throws Refused(too_many_elements).
    void saw_frame(std::size_t index, const Limits& limits);
    // How many frames have functional groups of their own, as far as was seen.
    std::size_t frames_seen() const noexcept { return per_frame_.size(); }
    // Any element of the data set that the walker meets.
    void element(const Element& element);

    // One Frame for each of `count`, or one for all where all are alike. Throws Refused(pixel_size_mismatch) if there
    // are functional groups for another number of frames.
    std::vector<Frame> finish(std::uint32_t count) const;

    // RescaleType (0028,1054) of the root or of the groups: empty if absent, "several" if they differ.
    const std::string& rescale_type() const noexcept { return rescale_type_; }
    // Of the root: a radiograph's.
    const std::optional<std::array<double, 2>>& imager_spacing() const noexcept { return imager_spacing_; }

private:
    // Frame has numbers only; what stands for one is here.
    struct Raw {
        Frame frame;
        std::optional<double> echo_time;
        std::string stack, frame_type, component;
    };
    void set(Raw& raw, const Element& element);

    Raw root_, shared_;
    std::vector<Raw> per_frame_;
    std::string rescale_type_;
    std::optional<std::array<double, 2>> imager_spacing_;
};

// The numbers of an element: of DS and IS as of binary VRs. `vr` is used where the file has none.
std::optional<double> number_in(const Element& element, Vr vr, std::size_t n = 0);

}  // namespace staging
