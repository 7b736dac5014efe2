#pragma once
#include <span>

#include "core/base/bytes.h"
#include "staging/read/record.h"

namespace staging {

// "DICM" behind a preamble of 128 bytes (PS3.10 section 7.1).
bool is_dicom(core::ByteView head);

// One DICOM Part 10 file to a Record; runs in the worker. `pixels` has room for limits.pixel_bytes; the
// Record's pixels point into it. Never throws for what is in the file, but for memory (std::bad_alloc).
Record read_dicom(core::ByteView file, const Wanted& wanted, const Limits& limits, Depth depth,
                  std::span<std::uint8_t> pixels);

}  // namespace staging
