#include "staging/read/dicom/dictionary.h"

#include <algorithm>
#include <array>
#include <functional>

namespace staging {
namespace {

constexpr Entry kEntries[] = {
#include "ps36.inc"  // written by ps36.awk from DCMTK's dicom.dic
};
static_assert(std::ranges::is_sorted(kEntries, std::less<>{}, &Entry::tag));
static_assert(std::size(kEntries) > 4000);

constexpr std::string_view kShort = "AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US";
constexpr std::string_view kLong = "OB OD OF OL OV OW SQ SV UC UN UR UT UV";

bool among(std::string_view list, Vr vr) noexcept {
    for (std::size_t i = 0; i + 1 < list.size(); i += 3)
        if (list[i] == vr[0] && list[i + 1] == vr[1]) return true;
    return false;
}

}  // namespace

std::span<const Entry> dictionary() noexcept {
    return kEntries;
}

const Entry* find_keyword(std::string_view keyword) noexcept {
    const auto found = std::ranges::find(kEntries, keyword, &Entry::keyword);
    return found == std::end(kEntries) ? nullptr : found;
}

const Entry* find_tag(Tag tag) noexcept {
    const auto found = std::ranges::lower_bound(kEntries, tag, {}, &Entry::tag);
    return found == std::end(kEntries) || found->tag != tag ? nullptr : found;
}

bool is_long(Vr vr) noexcept {
    return among(kLong, vr);
}

bool is_known(Vr vr) noexcept {
    return among(kShort, vr) || is_long(vr);
}

bool is_text(Vr vr) noexcept {
    return among("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT", vr);
}

std::size_t word_bytes(Vr vr) noexcept {
    if (among("US SS AT OW", vr)) return 2;
    if (among("UL SL FL OL OF", vr)) return 4;
    if (among("UV SV FD OD OV", vr)) return 8;
    return 1;
}

}  // namespace staging
