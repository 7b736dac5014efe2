#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "staging/source/reason.h"
#include "staging/source/wanted.h"

namespace staging {

// A value as it was delivered. Never to be logged, and never written out but through the profile's transform.
struct Value {
    // DICOM: the element's bytes with their padding; binary VRs (US, FL, AT, ...) turned to little endian,
    // text not decoded. Tables: the field without its quotes, valid UTF-8.
    std::string bytes;
    Vr vr{};              // from the file where the transfer syntax has it, else from PS3.6; "UT" in tables
    std::string charset;  // Specific Character Set (0008,0005) in force where the value stood, as delivered;
                          // empty means the default repertoire (ASCII). "ISO_IR 192" in tables.
};

enum class PixelType : std::uint8_t { none, u8, i8, u16, i16, u32, i32, f32, f64 };
std::size_t pixel_type_bytes(PixelType type) noexcept;
std::string_view pixel_type_name(PixelType type) noexcept;  // "uint8", "int16", "float32": numpy's names

// Decoded pixels: [frames, rows, columns, samples], this machine's byte order, as pydicom 3 gives them
// (`pixel_array(file, raw=False)`), with two differences, both against identifiers that hide in pixels: bits
// above BitsStored are dropped (sign-extended for signed pixels), and bytes after the last frame are.
struct Pixels {
    std::uint32_t frames = 0, rows = 0, columns = 0, samples = 0;  // samples per pixel: 1 or 3
    PixelType type = PixelType::none;
    std::uint16_t bits_allocated = 0, bits_stored = 0;
    // As delivered (MONOCHROME1, PALETTE COLOR, ...), but RGB once YBR_FULL or YBR_FULL_422 was converted. No
    // grey scale is inverted and no palette applied.
    std::string photometric;
    // Points into memory that the worker shares: valid until the next call on the Worker. Empty if only the
    // header was asked for.
    std::span<const std::uint8_t> bytes;
    core::Digest sha256{};  // of `bytes`; all zero if only the header was asked for
    std::uint64_t byte_count() const noexcept {
        return std::uint64_t{frames} * rows * columns * samples * pixel_type_bytes(type);
    }
};

// How much of a file is wanted.
enum class Depth {
    header,  // attributes, facts, shape and type of the pixels, digest of the file
    pixels,  // and the pixels, decoded
};

// What decides whether a class of image is at risk. As delivered, without padding; empty if absent. For
// decisions only: a hospital may have typed a name into any of them.
struct Facts {
    std::string transfer_syntax;        // (0002,0010)
    std::string sop_class;              // (0008,0016)
    std::string modality;               // (0008,0060)
    std::string image_type;             // (0008,0008), values separated by a backslash
    std::string conversion_type;        // (0008,0064): present in secondary captures
    std::string body_part;              // (0018,0015)
    std::string burned_in_annotation;   // (0028,0301)
    std::string recognizable_features;  // (0028,0302)
};

// One file, or one row of a table.
struct Record {
    Reason reason = Reason::none;
    // Never a value from the file: the name of a transfer syntax, of an attribute or of a column.
    std::string detail;

    // In the order of Wanted; nullopt is absent, an empty Value is present and empty. Empty as a whole unless
    // reason == none.
    std::vector<std::optional<Value>> values;

    // Files only. The digest is set whenever the file could be read whole, whatever the reason.
    Facts facts;
    Pixels pixels;
    core::Digest file_sha256{};
    std::uint64_t file_bytes = 0;

    // Tables only: 1 is the first row after the header.
    std::uint64_t row = 0;

    bool ok() const noexcept { return reason == Reason::none; }
};

// Without the padding that DICOM adds: leading spaces, trailing spaces and NULs (PS3.5 section 6.2).
std::string_view trimmed(std::string_view value) noexcept;

// The n-th of a value's backslash-separated parts, trimmed; nullopt if there are fewer. Only for VRs and
// character sets in which 0x5C is always a backslash.
std::optional<std::string_view> part(std::string_view value, std::size_t n) noexcept;

// The n-th number of a value: text VRs (DS, IS, tables' fields; the whole of it must be a finite number) and
// binary ones (US, SS, UL, SL, UV, SV, FL, FD). nullopt if there is none or it is not one.
std::optional<double> number(const Value& value, std::size_t n = 0) noexcept;
std::optional<std::int64_t> integer(const Value& value, std::size_t n = 0) noexcept;

}  // namespace staging
