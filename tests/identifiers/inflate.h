#pragma once
#include <functional>

#include "core/base/bytes.h"

namespace identifiers {

// Hands over what each zlib (RFC 1950), gzip (RFC 1952) and deflated zip stream in `bytes` holds, wherever it begins, as
// far as it can be inflated and at most 64 MB of it: as a PNG's text, a packed file or an archive's member has it.
void for_each_inflated(core::ByteView bytes, const std::function<void(core::ByteView)>& take);

}  // namespace identifiers
