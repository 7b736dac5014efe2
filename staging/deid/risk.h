#pragma once
#include <optional>

#include "staging/deid/clean.h"
#include "staging/deid/profile.h"
#include "staging/read/record.h"

namespace staging {

// Stage 1, pixels: classes of images that may show who somebody is. Decided from the header alone, so that
// nothing is decoded in vain; nothing is cleaned here: what is at risk goes to quarantine.
std::optional<Rejection> pixel_risk(const Facts& facts, const PixelPolicy& policy);

}  // namespace staging
