#pragma once
#include <optional>
#include <span>

#include "core/base/bytes.h"
#include "staging/read/record.h"

namespace staging {

// "DICM" behind a preamble of 128 bytes (PS3.10 section 7.1), or an element of group 2 or 8 at once.
bool is_dicom(core::ByteView head);

// One DICOM Part 10 file to a Record; runs in the worker. `pixels` has room for limits.pixel_bytes; the
// Record's pixels point into it. Never throws for what is in the file, but for memory (std::bad_alloc).
Record read_dicom(core::ByteView file, const Wanted& wanted, const Limits& limits, Depth depth,
                  std::span<std::uint8_t> pixels);

// The same for Depth::header, by the beginning of a file of `file_bytes`. nullopt if `head` does not reach as far as
// the pixel data: then the first `needed` bytes are wanted, at least. Without the digest of the file.
std::optional<Record> read_dicom_head(core::ByteView head, std::uint64_t file_bytes, const Wanted& wanted,
                                      const Limits& limits, std::uint64_t& needed);

}  // namespace staging
