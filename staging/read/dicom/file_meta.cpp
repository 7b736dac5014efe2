#include <cstring>

#include "staging/read/dicom/element_head.h"
#include "staging/read/record.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

constexpr std::uint32_t kShortValue = 1024;  // no first element of a data set is longer

constexpr std::uint32_t bit(Deviation deviation) {
    return 1U << static_cast<unsigned>(deviation);
}

bool is_first(const std::optional<ElementHead>& head, std::uint16_t group) {
    return head && head->tag >> 16 == group && (head->tag & 0xffff) <= 0x0100 && head->length <= kShortValue;
}

}  // namespace

bool begins_as_data_set(core::ByteView bytes) {
    if (bytes.size() < 16) return false;
    const Window window{bytes.first(16), 16};
    const WindowBytes at(window);
    for (const Writing writing : {Writing{true, false}, Writing{false, false}, Writing{true, true}})
        for (const std::uint16_t group : {2, 8})
            if (is_first(read_head(at, 0, 16, writing), group)) return true;
    return false;
}

const Syntax* guess_syntax(core::ByteView data_set) {
    if (data_set.size() < 16) return nullptr;
    const Window window{data_set.first(16), 16};
    const WindowBytes at(window);
    if (is_first(read_head(at, 0, 16, {true, false}), 8)) return find_syntax("1.2.840.10008.1.2.1");
    if (is_first(read_head(at, 0, 16, {true, true}), 8)) return find_syntax("1.2.840.10008.1.2.2");
    if (is_first(read_head(at, 0, 16, {false, false}), 8)) return find_syntax("1.2.840.10008.1.2");
    return nullptr;
}

FileMeta read_file_meta(const Window& file) {
    constexpr std::size_t kStart = 132;
    FileMeta meta;
    std::size_t at = kStart;
    if (file.bytes.size() < kStart || std::memcmp(file.bytes.data() + 128, "DICM", 4) != 0) {
        if (!begins_as_data_set(file.bytes)) throw Refused(Reason::not_recognised);
        meta.deviations |= bit(Deviation::no_preamble);
        at = 0;
    }
    const WindowBytes bytes(file);
    const std::size_t end = file.total;
    while (end - at >= 8 &&
           bytes.u16(at, false) == 2) {  // always little endian, and explicit but for old writers
        auto head = read_head(bytes, at, end, {true, false});
        if (!head) {
            head = read_head(bytes, at, end, {false, false});
            if (head->length > kShortValue) throw Refused(Reason::malformed, "file meta information");
            meta.deviations |= bit(Deviation::implicit_meta);
        }
        if (head->length > end - at - head->bytes) throw Refused(Reason::truncated);
        if (head->tag == 0x00020010)
            meta.transfer_syntax = trimmed(core::text(bytes.part(at + head->bytes, head->length)));
        at += head->bytes + head->length;
    }
    if (meta.transfer_syntax.empty() && end - at < 8) throw Refused(Reason::truncated);
    meta.data_set_at = at;
    return meta;
}

}  // namespace staging
