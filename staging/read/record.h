#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "staging/read/reason.h"
#include "staging/read/wanted.h"

namespace staging {

// A value as it was delivered. Never to be logged, and never written out but through the profile's transform.
struct Value {
    // Text: UTF-8, decoded by the Specific Character Set (0008,0005) in force where it stood, with DICOM's
    // padding; tables: the field without its quotes. Binary VRs (US, FL, AT, ...): little endian.
    std::string bytes;
    Vr vr{};  // from the file where the transfer syntax has it, else from PS3.6; "UT" in tables
    // Text whose bytes do not fit the character set in force, or one that PS3.3 does not have: `bytes` are
    // then as delivered. What they mean is not guessed.
    bool undecodable = false;
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
    // MONOCHROME1, MONOCHROME2 or RGB: of YBR_FULL, YBR_FULL_422, YBR_ICT, YBR_RCT and PALETTE COLOR, RGB was
    // made. A grey scale is as stored: MONOCHROME1 is not inverted.
    std::string photometric;
    // Points into memory that the worker shares: valid until the next call on the Worker. Empty if only the
    // header was asked for.
    std::span<const std::uint8_t> bytes;
    core::Digest sha256{};  // of `bytes`; all zero if only the header was asked for
    // Of a picture of which the numbers of colours were taken: what each colour is, four bytes: red, green, blue, opacity.
    std::string palette{};
    // How a picture was turned upright: its Orientation (TIFF 6), 1 to 8; 1: it is as stored.
    std::uint8_t turned = 1;
    std::uint64_t byte_count() const noexcept {
        return std::uint64_t{frames} * rows * columns * samples * pixel_type_bytes(type);
    }
};

// What the values of one frame mean and where it lies, as the file says it (PS3.3 C.7.6.2, C.7.6.16.2, C.11.1):
// from the root of a classic object, from the functional groups of an enhanced one, from a NIfTI header. An
// absent value is absent: nothing is assumed. Millimetres, in the patient's coordinates: x to the left, y to
// the back, z to the head (LPS).
struct Frame {
    std::optional<std::array<double, 3>> position;     // of the centre of the first voxel
    std::optional<std::array<double, 6>> orientation;  // unit vectors along a row, then along a column
    std::optional<std::array<double, 2>> spacing;      // between rows, between columns
    std::optional<double> thickness, slice_spacing;    // SliceThickness, SpacingBetweenSlices
    std::optional<double> slope, intercept;            // modality LUT: value = stored x slope + intercept
    // What tells frames of one position apart: time points, echoes, directions.
    // `echo` and `stack` of an enhanced object count its distinct echo times and stack identifiers from 1; `instance` is its
    // InstanceNumber and, below that, the number of the frame.
    std::optional<std::int64_t> instance, acquisition, temporal, echo, stack;
    std::optional<double> trigger_ms, b_value;
    std::optional<std::int64_t> kind;  // what is shown (magnitude, phase, ...): a digest of the file's words
    bool operator==(const Frame&) const = default;
};

// A modality LUT that is a table (PS3.3 section C.11.1): stands instead of slope and intercept. A stored value below
// `first` has the first entry, one beyond the last entry that one.
struct ModalityTable {
    std::int32_t first = 0;
    std::vector<std::uint16_t> entries;  // one at least
};

// What pixel values are once the modality LUT was applied (RescaleType, PS3.3 C.11.1.1.2).
enum class Units : std::uint8_t { stored, hounsfield, other };

// What a file does that its standard forbids, and what was read nevertheless: counted per delivery. One bit
// each.
enum class Deviation : std::uint32_t {
    no_preamble,            // no preamble or no "DICM"
    implicit_meta,          // file meta information in implicit VR
    trailing_zeros,         // zeros behind the data set
    no_sequence_delimiter,  // encapsulated pixel data end with the file
    unknown_vr,             // a VR that PS3.5 does not have
    undefined_length,       // of a VR that may not have it
    delimiter_in_defined,   // a delimiter at the end of a sequence of defined length
    order_of_elements,      // elements that do not rise, or come twice with one value
    defined_encapsulated,   // encapsulated pixel data of defined length
    wrong_transfer_syntax,  // implicit VR under an explicit syntax, or the reverse
    extra_pixel_bytes,      // more pixel data than the image has
    count_
};

// What the frames of a Segmentation (PS3.3 section A.51) mean, as the file says it: for decisions only.
struct Segmentation {
    bool is_fractional = false;
    bool is_label_map = false;  // a pixel is the number of its segment; `shown` says nothing
    std::uint16_t full = 0;     // MaximumFractionalValue: what stands for all of a voxel
    struct Segment {
        std::uint32_t number = 0;
        std::string code;  // of its property type, "SCHEME:VALUE"
        bool operator==(const Segment&) const = default;
    };
    std::vector<Segment> segments;
    std::vector<std::uint32_t> shown;  // the segment of each frame; 0: it does not say
    struct Source {
        std::string instance;     // SOP Instance UID
        std::uint32_t frame = 0;  // of the file, from 1; 0: all of them
        auto operator<=>(const Source&) const = default;
    };
    // The images it was made of: those that its frames name, or else those that the object names as a whole.
    std::vector<Source> sources;
    bool is_moved =
        false;  // a frame's source says that its pixels are not those of the frame (SpatialLocationsPreserved)
};

// How much of a file is wanted.
enum class Depth {
    header,  // attributes, facts, shape and type of the pixels: the file is read as far as its pixels
    pixels,  // and the pixels, decoded, and the digest of the file
};

constexpr std::size_t kAnatomyWords = 256;  // at most, of one file

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
    std::string specimen_label;         // (0048,0010) Specimen Label in Image
    std::string study_description, series_description, protocol_name;  // free text: for decisions only
    // Codes and meanings of the anatomic regions and structures that the object and its frames name.
    std::vector<std::string> anatomy;
};

// One file, or one row of a table.
struct Record {
    Reason reason = Reason::none;
    // Never a value from the file: a word of word.h, the name of a transfer syntax, or one that was wanted.
    std::string detail;

    // In the order of Wanted; nullopt is absent, an empty Value is present and empty. Empty as a whole unless
    // reason == none.
    std::vector<std::optional<Value>> values;

    // Files only. The digest is set whenever the file was read whole (Depth::pixels), whatever the reason.
    Facts facts;
    Pixels pixels;
    std::vector<Frame> frames;    // one for each of pixels.frames, or one for all of them
    Units units = Units::stored;  // of what `frames` make of the pixels
    std::optional<ModalityTable> modality_table;
    std::optional<std::array<double, 2>> padding;  // stored values from, to that stand for no measurement
    // ImagerPixelSpacing: mm between rows, between columns, at the detector.
    std::optional<std::array<double, 2>> imager_spacing;
    std::optional<Segmentation> segmentation;
    std::uint32_t deviations = 0;  // 1 << Deviation
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
