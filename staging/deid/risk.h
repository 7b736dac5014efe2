#pragma once
#include <cstdint>
#include <optional>

#include "staging/deid/clean.h"
#include "staging/deid/description.h"
#include "staging/deid/profile.h"
#include "staging/read/record.h"

namespace staging {

// What a header says of a face in the image, for those who look at the volume (face/deface.h).
enum class HeaderSays : std::uint32_t {
    answered,  // nobody looks: the policy is another than deface, or the hospital answers for the file
    no_face,   // all it names are parts that show none, or its class shows no surface
    nothing,
    face,  // it names a head, or a part that is not listed
};
HeaderSays header_says(const Facts& facts, const PixelPolicy& policy, Declared declared = Declared::nothing);

// Stage 1, pixels: may this image pass? Decided from the header alone, before anything is decoded. Classes and body
// parts that may pass are listed by the profile; what is not listed, or says nothing, does not pass. `declared`: what
// the hospital answers for of this file. Nothing is cleaned here. `is_volume`: it becomes part of a volume, of which faces
// are cut off where the policy says "deface"; of a single image nobody could.
std::optional<Rejection> pixel_risk(const Facts& facts, const PixelPolicy& policy,
                                    Declared declared = Declared::nothing, bool is_volume = false);

// The same of a segmentation: what region it shows is judged by its image, without which it is left out.
std::optional<Rejection> segmentation_risk(const Facts& facts, const PixelPolicy& policy,
                                           Declared declared = Declared::nothing);

}  // namespace staging
