#pragma once
#include <memory>
#include <utility>
#include <variant>

#include "staging/deid/clean.h"
#include "staging/deid/profile.h"
#include "staging/deid/risk.h"
#include "staging/face/volume.h"
#include "staging/image/cut.h"

namespace staging {

// What was measured of a volume.
struct FaceMeasures {
    double similarity = 0;                 // Alignment's; 0: it could not be laid onto the template at all
    double runner_up = 0;                  // of the best other way, as part of this one's
    double overlap = 0;                    // Alignment's
    double scale_low = 0, scale_high = 0;  // template mm for a mm of the volume, along its axes
    // Where it is like no head, nothing further is measured.
    bool is_laid_again = false;
    double apart_mm =
        0;  // of the second alignment from the first, at most, at points of the face and the skull
    std::int64_t brain = 0;  // of the second alignment's brain: voxels of 8 mm^3 that would be cut off
    double rays = 0;         // onto the face that meet the body
    double skin_left = 0;    // the part of them that meet skin which is not cut off
    Cut cut;                 // as it would be
};

// Cuts faces off volumes, as Quickshear does (Schimke and Hale, USENIX HealthSec 2011): all beyond planes that lie
// kMargin in front of and below the convex hull of the brain, the neck with it. The brain is the template's, laid onto the volume by
// affine registration (align.h); ears and the forehead stay.
//
// A cut stands only if a second registration, to what lies behind the planes alone and begun anew, agrees
// with the first; if by that one no voxel of the brain is cut off; and if no ray from in front ends
// on the skin of the face as it was: skin is where the largest body of what is not air begins. Anything else is
// face_not_removed, with what failed: "alignment", "agreement", "brain", "surface".
class Defacer {
public:
    // Throws Error(system) if a file of the template is not there or is another than its digest says.
    explicit Defacer(const FaceTemplate& files);
    ~Defacer();

    FaceMeasures measure(HeadVolume volume) const;
    std::variant<Cut, Rejection> judge(HeadVolume volume, HeaderSays header) const {
        return verdict(measure(std::move(volume)), header);
    }

    // The cut, or none (is_made 0): only where the header names parts that show no face, and nothing speaks for one.
    static std::variant<Cut, Rejection> verdict(const FaceMeasures& measures, HeaderSays header);

private:
    struct Template;
    std::unique_ptr<Template> template_;
};

}  // namespace staging
