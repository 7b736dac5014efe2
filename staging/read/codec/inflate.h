#pragma once
#include "core/base/bytes.h"
#include "staging/read/wanted.h"

namespace staging {

// A raw deflate stream (PS3.5 annex A.5), inflated. `file_bytes` is the size of the file it stands in: what it
// grows to is bounded by that and `limits`. Throws Refused(decompression_limit | truncated | malformed).
core::Bytes inflate(core::ByteView deflated, std::uint64_t file_bytes, const Limits& limits);

bool is_gzip(core::ByteView head) noexcept;

// A gzip file (RFC 1952), all of its members, bounded in the same way. Throws as inflate.
core::Bytes gunzip(core::ByteView file, const Limits& limits);

}  // namespace staging
