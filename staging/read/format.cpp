#include "staging/read/format.h"

#include <algorithm>

#include "staging/read/codec/codec.h"
#include "staging/read/dicom/dicom.h"
#include "staging/read/text/converter.h"

namespace staging {
namespace {

// Text has no mark of its own: a table is what a profile says is one.
bool never(core::ByteView) {
    return false;
}

void prepare_dicom() noexcept {
    prepare_codecs();
    prepare_converters();
}

constexpr Format kFormats[] = {
    {"dicom", false, is_dicom, read_dicom, read_dicom_head, prepare_dicom},
    {"csv", true, never, nullptr, nullptr, nullptr},
};

}  // namespace

std::span<const Format> formats() noexcept {
    return kFormats;
}

const Format* find_format(std::string_view name) noexcept {
    const auto found = std::ranges::find(kFormats, name, &Format::name);
    return found == std::end(kFormats) ? nullptr : found;
}

}  // namespace staging
