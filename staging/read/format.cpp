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
    {.name = "raster-indices",
     .is_for_masks = true,
     .recognises = is_raster,
     .read = read_raster_indices,
     .knows = none},
    {.name = "csv", .is_table = true, .recognises = never, .prepare = prepare_converters},
};

}  // namespace

std::span<const Format> formats() noexcept {
    return kFormats;
}

bool ends_with_folded(std::string_view name, std::string_view suffix) noexcept {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return name.size() >= suffix.size() &&
           std::ranges::equal(name.substr(name.size() - suffix.size()), suffix, {}, lower, lower);
}

Word macos_file(std::string_view name, core::ByteView head) noexcept {
    using namespace std::string_view_literals;
    const std::string_view own = name.substr(name.rfind('/') + 1), begins = core::text(head);
    if (own.starts_with("._") && begins.starts_with("\x00\x05\x16\x07"sv)) return "AppleDouble";
    if (own == ".DS_Store" && begins.starts_with("\x00\x00\x00\x01"
                                                 "Bud1"sv))
        return ".DS_Store";
    return {};
}

std::optional<Pair> pair_of(const Format& format, std::string_view name) {
    if (format.first.empty()) return std::nullopt;
    std::string_view stem = name, gz;
    if (ends_with_folded(name, ".gz")) {
        stem = name.substr(0, name.size() - 3);
        gz = name.substr(stem.size());
    }
    for (const bool is_first : {true, false}) {
        const std::string_view mine = is_first ? format.first : format.second;
        std::string other(is_first ? format.second : format.first);
        if (!ends_with_folded(stem, mine)) continue;
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
