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
    {.name = "nifti",
     .recognises = is_nifti,
     .read = read_nifti,
     .first = ".hdr",
     .second = ".img",
     .read_pair = read_nifti_pair,
     .knows = is_nifti_name},
    {.name = "raster", .recognises = is_raster, .read = read_raster, .knows = none},
    {.name = "csv", .is_table = true, .recognises = never, .prepare = prepare_converters},
};

}  // namespace

std::span<const Format> formats() noexcept {
    return kFormats;
}

std::optional<Pair> pair_of(const Format& format, std::string_view name) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    const auto ends_with = [&](std::string_view text, std::string_view end) {
        return text.size() >= end.size() &&
               std::ranges::equal(text.substr(text.size() - end.size()), end, {}, lower);
    };
    if (format.first.empty()) return std::nullopt;
    std::string_view stem = name, gz;
    if (ends_with(name, ".gz")) {
        stem = name.substr(0, name.size() - 3);
        gz = name.substr(stem.size());
    }
    for (const bool is_first : {true, false}) {
        const std::string_view mine = is_first ? format.first : format.second;
        std::string other(is_first ? format.second : format.first);
        if (!ends_with(stem, mine)) continue;
        const char last = stem.back();
        if (last >= 'A' && last <= 'Z')
            std::ranges::transform(other, other.begin(), [](char c) {
                return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
            });
        return Pair{std::string(stem.substr(0, stem.size() - mine.size())) + other + std::string(gz),
                    is_first};
    }
    return std::nullopt;
}

const Format* find_format(std::string_view name) noexcept {
    const auto found = std::ranges::find(kFormats, name, &Format::name);
    return found == std::end(kFormats) ? nullptr : found;
}

}  // namespace staging
