#pragma once
#include <string_view>

namespace staging {

enum class Codec { native, rle, jpeg_baseline, unsupported };

// A transfer syntax (PS3.5 section 10 and annex A): how the data set and its pixels are written.
struct Syntax {
    std::string_view uid, name;
    Codec codec = Codec::unsupported;
    bool explicit_vr = true, big_endian = false, deflated = false;
};

// nullptr for a UID that PS3.6 table A-1 does not have.
const Syntax* find_syntax(std::string_view uid) noexcept;

}  // namespace staging
