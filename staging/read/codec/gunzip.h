#pragma once
#include "core/base/bytes.h"
#include "staging/read/wanted.h"

namespace staging {

bool is_gzip(core::ByteView head) noexcept;

// A gzip file (RFC 1952), all of its members. What it grows to is bounded by `limits` as for a deflated data
// set. Throws Refused(decompression_limit | truncated | malformed).
core::Bytes gunzip(core::ByteView file, const Limits& limits);

}  // namespace staging
