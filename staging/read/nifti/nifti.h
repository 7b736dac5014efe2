#pragma once
#include <span>
#include <string_view>

#include "core/base/bytes.h"
#include "staging/read/record.h"

namespace staging {

// NIfTI-1 and NIfTI-2 in one file (.nii) or a pair of them, plain or in gzip (.nii.gz): nifti1.h and nifti2.h of the NIfTI Data
// Format Working Group. Ours, not a library's, since those open files by name, which a worker may not.
bool is_nifti(core::ByteView head);

// Numbers of the header that a profile may want; text in it (descrip, aux_file, intent_name, extensions) has
// no way in.
bool is_nifti_name(std::string_view name);

// The volume, slice by slice: frames [slices x time points], rows along j, columns along i. Values are the
// stored ones; Record::frames have slope, intercept and where each slice lies, by sform if its code is set,
// else by qform, turned from NIfTI's RAS to LPS, in millimetres. Never throws for what is in the file, but for
// memory (std::bad_alloc).
Record read_nifti(core::ByteView file, const Wanted& wanted, const Limits& limits, Depth depth,
                  std::span<std::uint8_t> pixels);

// The same of a pair: a header (.hdr) and its data (.img), each plain or in gzip.
Record read_nifti_pair(core::ByteView header, core::ByteView data, const Wanted& wanted, const Limits& limits,
                       Depth depth, std::span<std::uint8_t> pixels);

}  // namespace staging
