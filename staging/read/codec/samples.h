#pragma once
#include <cstdint>
#include <cstring>
#include <span>

#include "staging/read/codec/codec.h"

namespace staging {

// A sample as a codestream of `precision` bits has it, to what the data set says it is: where only one of the two is
// signed, the bits are kept and read anew. Codestreams do not always say what the data set says, and the data set is
// what its writer looked at.
inline std::int64_t settled(std::int64_t value, unsigned precision, bool coded_signed, bool is_signed) {
    if (coded_signed == is_signed || precision >= 32) return value;
    const std::int64_t mask = (std::int64_t{1} << precision) - 1, sign = std::int64_t{1} << (precision - 1);
    value &= mask;
    return is_signed && (value & sign) ? value - mask - 1 : value;
}

// Stores `value` as the n-th of samples of `bytes` bytes each.
inline void put_sample(std::span<std::uint8_t> out, std::size_t bytes, std::size_t n, std::int64_t value) {
    std::memcpy(out.data() + n * bytes, &value, bytes);  // little endian: static_assert in native.cpp
}

}  // namespace staging
