#include "staging/read/dicom/element_head.h"

#include <algorithm>

#include "staging/read/dicom/dictionary.h"

namespace staging {
namespace {

constexpr std::uint32_t kUndefined = 0xffffffff;

bool is_delimiter(Tag tag) {
    return tag == 0xfffee00d || tag == 0xfffee0dd;
}

}  // namespace

bool WindowBytes::only_zeros(std::size_t at) const {
    const auto loaded = window_.bytes.subspan(std::min(at, window_.bytes.size()));
    if (std::ranges::any_of(loaded, [](std::uint8_t byte) { return byte != 0; })) return false;
    load(window_.total);
    return true;
}

std::optional<ElementHead> read_head(const WindowBytes& bytes, std::size_t at, std::size_t end,
                                     Writing writing) {
    if (end - at < 8) return std::nullopt;
    const bool big = writing.big_endian;
    ElementHead head;
    head.tag = bytes.tag(at, big);
    if (!writing.explicit_vr) {
        head.length = bytes.u32(at + 4, big);
        return head;
    }
    head.vr = bytes.vr(at + 4);
    if (!is_known(head.vr)) return std::nullopt;
    if (is_long(head.vr)) {
        if (end - at < 12) return std::nullopt;
        head.length = bytes.u32(at + 8, big);
        head.bytes = 12;
    } else {
        head.length = bytes.u16(at + 6, big);
    }
    return head;
}

bool is_followed(const WindowBytes& bytes, std::size_t at, std::size_t end, const ElementHead& head,
                 Writing writing) {
    const std::size_t room = end - at - head.bytes;
    if (head.length == kUndefined || head.length > room) return false;
    const std::size_t next = at + head.bytes + head.length;
    if (next == end) return true;
    if (end - next < 8) return end == bytes.size() && bytes.only_zeros(next);
    const Tag tag = bytes.tag(next, writing.big_endian);
    if (is_delimiter(tag)) return true;
    if (tag == 0) return end == bytes.size() && bytes.only_zeros(next);
    if (tag <= head.tag || tag >> 16 == 0xfffe) return false;
    if (writing.explicit_vr) return is_known(bytes.vr(next + 4));
    const std::uint32_t length = bytes.u32(next + 4, writing.big_endian);
    return length == kUndefined || length <= end - next - 8;
}

std::optional<ElementHead> guess_head(const WindowBytes& bytes, std::size_t at, std::size_t end,
                                      bool big_endian) {
    if (end - at < 8) return std::nullopt;
    const Writing writing{true, big_endian};
    ElementHead head;
    head.tag = bytes.tag(at, big_endian);
    head.length = bytes.u16(at + 6, big_endian);
    if (is_followed(bytes, at, end, head, writing)) return head;
    if (end - at >= 12) {
        ElementHead wide = head;
        wide.length = bytes.u32(at + 8, big_endian);
        wide.bytes = 12;
        if (is_followed(bytes, at, end, wide, writing)) return wide;
    }
    head.length = bytes.u32(at + 4, big_endian);
    return is_followed(bytes, at, end, head, writing) ? std::optional(head) : std::nullopt;
}

bool looks_explicit(const WindowBytes& bytes, std::size_t at, std::size_t end) {
    if (end - at < 8) return false;
    const auto as_explicit = read_head(bytes, at, end, {true, false});
    if (!as_explicit) return false;
    // Letters of a VR are also a length, of at least 16,705 bytes: it is one if what follows it proves that.
    const auto as_implicit = read_head(bytes, at, end, {false, false});
    return as_explicit->length == kUndefined || is_followed(bytes, at, end, *as_explicit, {true, false}) ||
           !is_followed(bytes, at, end, *as_implicit, {false, false});
}

}  // namespace staging
