#pragma once
#include <span>
#include <string_view>

#include "staging/read/codec/codec.h"

namespace staging {

// A transfer syntax (PS3.5 section 10 and annex A): how the data set and its pixels are written.
struct Syntax {
    enum class Pixels { native, frames, refused };
    std::string_view uid, name;
    bool explicit_vr, big_endian, deflated;
    Pixels pixels;
    const Codec* codec;  // of frames, else nullptr
};

// All that are known, in one order.
std::span<const Syntax> syntaxes() noexcept;

// nullptr for a UID that neither PS3.6 table A-1 nor a vendor whom we know has.
const Syntax* find_syntax(std::string_view uid) noexcept;

}  // namespace staging
