#pragma once
#include <cstdint>
#include <optional>

#include "staging/read/dicom/walker.h"

namespace staging {

// Numbers of a window. Reading beyond its bytes throws NeedMore; the caller has made sure that it is within its total.
class WindowBytes {
public:
    explicit WindowBytes(const Window& window) : window_(window) {}
    std::uint64_t size() const { return window_.total; }
    void load(std::uint64_t end) const {
        if (end > window_.bytes.size()) throw NeedMore{end};
    }
    core::ByteView part(std::size_t at, std::size_t count) const {
        load(at + count);
        return window_.bytes.subspan(at, count);
    }
    Vr vr(std::size_t at) const {
        load(at + 2);
        return {static_cast<char>(window_.bytes[at]), static_cast<char>(window_.bytes[at + 1])};
    }
    std::uint16_t u16(std::size_t at, bool big) const {
        load(at + 2);
        const unsigned a = window_.bytes[at], b = window_.bytes[at + 1];
        return static_cast<std::uint16_t>(big ? a << 8 | b : b << 8 | a);
    }
    std::uint32_t u32(std::size_t at, bool big) const {
        const std::uint32_t first = u16(at, big), second = u16(at + 2, big);
        return big ? first << 16 | second : second << 16 | first;
    }
    Tag tag(std::size_t at, bool big) const { return Tag{u16(at, big)} << 16 | u16(at + 2, big); }
    // Nothing but zeros from `at` to the end of the whole.
    bool only_zeros(std::size_t at) const;

private:
    const Window& window_;
};

// The head of an element: everything in front of its value (PS3.5 section 7.1).
struct ElementHead {
    Tag tag = 0;
    Vr vr{'U', 'N'};
    std::uint32_t length = 0;
    unsigned bytes = 8;  // of the head itself
};

// How a data set is written.
struct Writing {
    bool explicit_vr = true, big_endian = false;
};

// The head at `at` as `writing` says; nullopt if it does not fit before `end`, or has a VR that PS3.5 does not have.
std::optional<ElementHead> read_head(const WindowBytes& bytes, std::size_t at, std::size_t end,
                                     Writing writing);

// Whether the element of `head` is followed by another of the same writing, by a delimiter, by nothing, or by
// nothing but zeros. One of undefined length proves nothing: false.
bool is_followed(const WindowBytes& bytes, std::size_t at, std::size_t end, const ElementHead& head,
                 Writing writing);

// A head with a VR that PS3.5 does not have: with a length of 16 bits, of 32, or without a VR at all; whichever is
// followed by what must follow. nullopt if none is.
std::optional<ElementHead> guess_head(const WindowBytes& bytes, std::size_t at, std::size_t end,
                                      bool big_endian);

// Whether the data set that begins at `at` is in explicit VR, by its first element; both are little endian.
bool looks_explicit(const WindowBytes& bytes, std::size_t at, std::size_t end);

}  // namespace staging
