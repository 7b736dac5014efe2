#include "staging/read/format.h"

#include <algorithm>

#include "staging/read/dicom/dicom.h"
#include "staging/read/nifti/nifti.h"
#include "staging/read/raster/raster.h"

namespace staging {
namespace {

// Text has no mark of its own: a table is what a profile says is one.
bool never(core::ByteView) {
    return false;
}

bool none(std::string_view) {
    return false;
}

constexpr Format kFormats[] = {
    {"dicom", false, is_dicom, read_dicom, nullptr},
    {"nifti", false, is_nifti, read_nifti, is_nifti_name},
    {"raster", false, is_raster, read_raster, none},
    {"csv", true, never, nullptr, nullptr},
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
