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
    bool is_too_large = false;             // to be laid onto anything
    double similarity = 0;                 // Alignment's; 0: it could not be laid onto the template at all
    double runner_up = 1;                  // of the best other way, as part of this one's
    double overlap = 0;                    // Alignment's
    double scale_low = 0, scale_high = 0;  // template mm for a mm of the volume, along its axes
    double determinant = 0;                // of the map onto the template: 0 if it has no inverse
    double turned = 180;  // degrees, at most, of front and top from where the volume's header has them
    // Where it is like no head, nothing further is measured.
    bool is_laid_again = false;
    double apart_mm =
        0;  // of the second alignment from the first, at most, at points of the face and the skull
    std::int64_t brain = 0;  // of the second alignment's brain: voxels of 8 mm^3 that would be cut off
    double expected = 0;     // rays onto the face that fall into the volume
    double rays = 0;         // of these, that meet the body
    // The part of them that meet skin which is not cut off, or where it cannot be told: what they fall into is no air, or
    // what they meet lies too far in front of where a face begins.
    double skin_left = 0;
    double body = 0, removed = 0;  // voxels of the body, and those that would be cut off
    Cut cut;                       // as it would be
};

// Cuts faces off volumes, as Quickshear does (Schimke and Hale, USENIX HealthSec 2011): all beyond planes that lie
// kMargin in front of and below the convex hull of the brain, the neck with it. The brain is the template's, laid onto the volume by
// affine registration (align.h); ears and the forehead stay.
//
// A cut stands only if a second registration, to what lies behind the planes alone and begun anew, agrees
// with the first; if by that one no voxel of the brain is cut off; and if rays from in front, as many as a face
// takes, come through air and none of them ends on skin that stays: skin is where the largest body of what is not air
// begins. Anything else is face_not_removed, with what failed: "size", "alignment", "agreement", "brain", "surface",
// "body" (too much of it would be lost).
class Defacer {
public:
    // Throws Error(system) if a file of the template is not there, is another than its digest says, or shows no face
    // where MNI space has it.
    explicit Defacer(const FaceTemplate& files);
    ~Defacer();

    // `forward`: mm of the template by which the planes lie too far ahead (tests).
    FaceMeasures measure(HeadVolume volume, double forward = 0) const;
    std::variant<Cut, Rejection> judge(HeadVolume volume, HeaderSays header) const {
        return verdict(measure(std::move(volume)), header);
    }

    // The cut, or none (is_made 0): only where the header names parts that show no face, and the volume is not like a
    // head. That is the header's word, no finding of ours.
    static std::variant<Cut, Rejection> verdict(const FaceMeasures& measures, HeaderSays header);

private:
    struct Template;
    std::unique_ptr<Template> template_;
};

}  // namespace staging
