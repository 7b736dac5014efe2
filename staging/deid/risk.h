#pragma once
#include <optional>

#include "staging/deid/clean.h"
#include "staging/deid/description.h"
#include "staging/deid/profile.h"
#include "staging/read/record.h"

namespace staging {

// Stage 1, pixels: may this image pass? Decided from the header alone, before anything is decoded. Classes and body
// parts that may pass are listed by the profile; what is not listed, or says nothing, does not pass. `declared`: what
// the hospital answers for of this file. Nothing is cleaned here.
std::optional<Rejection> pixel_risk(const Facts& facts, const PixelPolicy& policy,
                                    Declared declared = Declared::nothing);

// The same of a segmentation: what region it shows is judged by its image, without which it is left out.
std::optional<Rejection> segmentation_risk(const Facts& facts, const PixelPolicy& policy,
                                           Declared declared = Declared::nothing);

}  // namespace staging
