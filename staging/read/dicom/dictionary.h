#pragma once
#include <span>
#include <string_view>

#include "staging/read/wanted.h"

namespace staging {

// DICOM PS3.6 ("Registry of DICOM Data Elements"), but for repeating groups; retired attributes under their
// keywords too. Of attributes that PS3.6 gives "US or SS", US is listed; the reader makes them SS where
// PixelRepresentation is 1. Of "OB or OW", OW.
struct Entry {
    Tag tag;
    Vr vr;
    std::string_view keyword;
};

std::span<const Entry> dictionary() noexcept;                  // in order of tags
const Entry* find_keyword(std::string_view keyword) noexcept;  // nullptr if it is not among them
const Entry* find_tag(Tag tag) noexcept;

// VRs of PS3.5 table 6.2-1. `is_long`: those whose explicit form has a 32-bit length (section 7.1.2).
bool is_known(Vr vr) noexcept;
bool is_long(Vr vr) noexcept;
// Characters, which the Specific Character Set or the default repertoire (section 6.1) tells.
bool is_text(Vr vr) noexcept;
// Bytes of one number of a binary VR (US 2, AT 2: two of them, FD 8, ...), 1 for text and for OB and UN.
std::size_t word_bytes(Vr vr) noexcept;

}  // namespace staging
