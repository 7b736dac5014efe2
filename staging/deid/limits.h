#pragma once
#include <string_view>

#include "core/base/config.h"
#include "staging/read/reason.h"
#include "staging/read/wanted.h"

namespace staging {

// [limits] of a definition: what the reader may spend on one file, by the names that Limits has for it; what is not there
// has its default. Throws Error(usage) on a number beyond its bounds.
Limits read_limits(const core::Config& file);

// The largest that a definition may allow: for who lists archives without one.
Limits largest_limits();

// The key of [limits] that a file of this reason and without a detail is beyond; empty if it is none or several. What no key
// mends has a detail.
std::string_view limit_key(Reason reason) noexcept;

}  // namespace staging
