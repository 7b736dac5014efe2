#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "staging/read/dicom/syntax.h"
#include "staging/read/record.h"
#include "staging/read/wanted.h"

namespace staging {

// The beginning of a file or data set, or all of it. What is needed beyond `bytes` is asked for by throwing
// NeedMore: the caller reads more of the file and begins again.
struct Window {
    core::ByteView bytes;
    std::uint64_t total = 0;  // bytes of the whole
    bool is_whole() const noexcept { return bytes.size() == total; }
    Window from(std::size_t at) const { return {bytes.subspan(at), total - at}; }
};
struct NeedMore {
    std::uint64_t bytes = 0;  // of the window, at least
};

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
    // A sequence begins, which is the last step of `path`: is anything in it wanted? If not, it is stepped over, and
    // not looked into where lengths allow that. Where the file does not say whether this is a sequence (implicit VR,
    // UN), it is one if this is true.
    virtual bool wants(std::span<const Step> path) = 0;
    // Whether a private element of the root, of defined length, is to be shown at all.
    virtual bool wants_private(Tag tag) = 0;
    // (7FE0,0008), (7FE0,0009) or (7FE0,0010) of the root, native. `bytes` is empty if only the header is walked.
    virtual void native_pixels(Tag tag, Vr vr, core::ByteView bytes, std::uint64_t size) = 0;
    // (7FE0,0010), encapsulated (PS3.5 annex A.4); the offset table may be empty. Without fragments if only the
    // header is walked.
    virtual void encapsulated_pixels(core::ByteView offset_table, std::vector<core::ByteView> fragments) = 0;
    virtual void deviates(Deviation deviation) = 0;

protected:
    ~Visitor() = default;
};

// The head of a Part 10 file (PS3.10 section 7): preamble, "DICM", file meta information.
struct FileMeta {
    std::string_view transfer_syntax;  // trimmed; empty if the file does not say
    std::size_t data_set_at = 0;       // where the data set starts
    std::uint32_t deviations = 0;      // 1 << Deviation
};

// Files without preamble and "DICM" are taken if they begin as a data set does: see begins_as_data_set. Throws
// Refused(not_recognised | truncated | malformed), NeedMore.
FileMeta read_file_meta(const Window& file);

// Whether these bytes are an element of group 2 or 8 of a data set, as files without a preamble begin.
bool begins_as_data_set(core::ByteView bytes);

// How a data set is written by its first element; nullptr if that is no element of group 8.
const Syntax* guess_syntax(core::ByteView data_set);

// Walks a data set once, in order, without recursion and without allocating by any declared length: a frame for each
// open sequence and item on a fixed stack, each length checked against the frame it is in. With Depth::header it ends
// at the root's pixel data. What the standard forbids is read where the chain of lengths still proves itself: what
// follows must be an element or an end again. Private elements (odd groups) of defined length are stepped over whole, but for
// those that the visitor wants.
// Throws Refused, NeedMore.
void walk(const Window& data_set, const Syntax& syntax, const Limits& limits, Depth depth, Visitor& visitor);

}  // namespace staging
