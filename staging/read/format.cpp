#include "staging/read/format.h"

#include <algorithm>

#include "staging/read/codec/codec.h"
#include "staging/read/dicom/dicom.h"
#include "staging/read/nifti/nifti.h"
#include "staging/read/raster/raster.h"
#include "staging/read/text/converter.h"

namespace staging {
namespace {

// Text has no mark of its own: a table is what a profile says is one.
bool never(core::ByteView) {
    return false;
}

bool none(std::string_view) {
    return false;
}

void prepare_dicom() noexcept {
    prepare_codecs();
    prepare_converters();
}

constexpr Format kFormats[] = {
    {.name = "dicom",
     .recognises = is_dicom,
     .read = read_dicom,
     .read_head = read_dicom_head,
     .prepare = prepare_dicom},
    {.name = "nifti", .recognises = is_nifti, .read = read_nifti, .knows = is_nifti_name},
    {.name = "raster", .recognises = is_raster, .read = read_raster, .knows = none},
    {.name = "csv", .is_table = true, .recognises = never, .prepare = prepare_converters},
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
