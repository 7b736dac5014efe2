#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "staging/read/dicom/syntax.h"
#include "staging/read/wanted.h"

namespace staging {

// An element that is not a sequence, where it stands in the file.
struct Element {
    std::span<const Step> path;  // from the data set's root; the last step is the element itself
    Vr vr{};                     // "UN" in implicit VR
    core::ByteView value;
    std::string_view charset;  // (0008,0005) in force, as written
    bool big_endian = false;
};

// What the walker finds. Views are into the bytes that are walked.
class Visitor {
public:
    virtual void element(const Element& element) = 0;
    // Implicit VR does not tell a sequence of defined length from other values: is `path` one to walk into?
    virtual bool is_sequence(std::span<const Step> path) = 0;
    // (7FE0,0010) of the root, native.
    virtual void native_pixels(Vr vr, core::ByteView bytes) = 0;
    // The same, encapsulated (PS3.5 annex A.4); the offset table may be empty.
    virtual void encapsulated_pixels(core::ByteView offset_table, std::vector<core::ByteView> fragments) = 0;

protected:
    ~Visitor() = default;
};

// The head of a Part 10 file (PS3.10 section 7): preamble, "DICM", file meta information.
struct FileMeta {
    std::string_view transfer_syntax;  // trimmed
    std::size_t data_set_at = 0;       // where the data set starts
};

// Throws Refused(not_recognised | truncated | malformed | missing_attribute).
FileMeta read_file_meta(core::ByteView file);

// Walks a data set once, in order, without recursion and without allocating by any declared length: a frame
// for each open sequence and item on a fixed stack, each length checked against the frame it is in. Elements
// must rise within their data set, as PS3.5 section 7.1 says: a repeated one would leave open which is true.
// Private elements (odd groups) of defined length are stepped over whole. Throws Refused.
void walk(core::ByteView data_set, const Syntax& syntax, const Limits& limits, Visitor& visitor);

// A raw deflate stream (PS3.5 annex A.5), inflated. Throws Refused(decompression_limit | truncated |
// malformed).
core::Bytes inflate(core::ByteView deflated, std::uint64_t file_bytes, const Limits& limits);

}  // namespace staging
