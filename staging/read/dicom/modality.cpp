#include "staging/read/dicom/modality.h"

#include <algorithm>

#include "staging/read/refused.h"

namespace staging {
namespace {

constexpr Tag kModalityLut = 0x00283000;
constexpr std::size_t kMostBytes = (2 << 16) + 1;  // one more than a table has: then it is too long

}  // namespace

bool ModalityCollector::wants(std::span<const Step> path) {
    return path.size() == 1 && path[0].tag == kModalityLut;
}

void ModalityCollector::element(const Element& element) {
    const auto path = element.path;
    if (path.size() != 2 || path[0].tag != kModalityLut) return;
    seen_ = true;
    // There is one item (PS3.3 table C.11-1b); which of two is meant nobody can tell.
    if (path[0].item != 0) throw Refused(Reason::pixel_format_unsupported, "ModalityLUTSequence");
    const auto bytes = element.value.first(std::min(element.value.size(), kMostBytes));
    big_endian_ = element.big_endian;
    switch (path[1].tag) {
        case 0x00283002:  // LUTDescriptor
            descriptor_.assign(bytes.begin(), bytes.end());
            return;
        case 0x00283004:  // ModalityLUTType
            type_ = trimmed(core::text(bytes.first(std::min<std::size_t>(bytes.size(), 64))));
            return;
        case 0x00283006:  // LUTData
            data_.assign(bytes.begin(), bytes.end());
            return;
        default:
            return;
    }
}

std::optional<ModalityTable> ModalityCollector::finish(bool is_signed) const {
    if (!seen_) return std::nullopt;
    const auto word = [&](const core::Bytes& from, std::size_t n) {
        const unsigned a = from[2 * n], b = from[2 * n + 1];
        return static_cast<std::uint16_t>(big_endian_ ? a << 8 | b : b << 8 | a);
    };
    const auto refuse = [] { throw Refused(Reason::pixel_format_unsupported, "ModalityLUTSequence"); };
    if (descriptor_.size() != 6) refuse();
    // How many there are, the stored value of the first, bits of each.
    const std::size_t count = word(descriptor_, 0) ? word(descriptor_, 0) : 0x10000;
    const unsigned bits = word(descriptor_, 2);
    if (bits < 8 || bits > 16 || data_.size() != 2 * count) refuse();
    ModalityTable table;
    table.first = is_signed ? static_cast<std::int16_t>(word(descriptor_, 1)) : word(descriptor_, 1);
    for (std::size_t n = 0; n < count; ++n) {
        table.entries.push_back(word(data_, n));
        if (table.entries.back() >> bits) refuse();  // bits that mean nothing could say anything
    }
    return table;
}

}  // namespace staging
