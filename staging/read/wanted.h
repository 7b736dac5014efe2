#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace staging {

using Tag = std::uint32_t;       // (gggg,eeee) as 0xggggeeee
using Vr = std::array<char, 2>;  // "PN", "US", ...: PS3.5 section 6.2

// A step from a data set into one of its sequences' items, or to an attribute (`item` is then 0).
struct Step {
    Tag tag = 0;
    std::uint32_t item = 0;  // 0 is the first
    bool operator==(const Step&) const = default;
};

// One attribute of the keep-list, compiled.
struct Attribute {
    std::string path;         // as the profile wrote it
    std::vector<Step> steps;  // the last is the attribute itself
    Vr vr{};  // from PS3.6; {'U','N'} where the profile gave a number that is not in our table
    // Private: whose block it lies in (PS3.5 section 7.8.1). Its one step then has the element's number within that
    // block, whichever block a file gives that creator. `vr` is the profile's, for files that do not say it.
    std::string creator{};
};

struct Format;  // format.h

// How a hospital writes its tables, as the description of its delivery declares it. Nothing is guessed: a table
// of another form is refused with a word on what it looks like (bad_header).
struct TableForm {
    char separator = ',';
    std::string encoding =
        "utf-8";  // as text/converter.h's encoding_of, or "utf-16" (with or without its mark)
    std::uint32_t title_rows = 0;  // lines before the header row

    bool has_known_encoding() const;
    // Not a bar in the double-byte encodings, where it is the second half of characters.
    bool separator_is_told_apart() const;
};

// What the reader is to bring: nothing else leaves the worker. Values in a Record are in this order.
class Wanted {
public:
    Wanted() = default;

    // What a profile names with `from`, of files of one format. Throws Error(usage) that names the word.
    static Wanted of(const Format& format, std::vector<std::string> names, TableForm form = {});

    // DICOM attributes by path:
    //   "PatientID", "0010,0020", "AdmittingDiagnosesCodeSequence[0].CodeValue", "(0040,0275)[0].0040,1001"
    // An item's number may be left out: [0]. Keywords are those of dictionary.h; anything else in PS3.6 is
    // reached by its number. A private attribute is named with its creator, and a VR for files in implicit VR:
    //   "(0019,xx0C) SIEMENS MR HEADER", "(0019,xx0C,IS) SIEMENS MR HEADER"
    // Throws Error(usage) that names the path and, for a misspelt keyword, the nearest
    // one; private tags by number alone (odd groups), bulk data (PixelData, overlays, waveforms, encapsulated documents),
    // sequences themselves and file meta elements are refused: they have no way in.
    static Wanted attributes(const std::vector<std::string>& paths);

    // Columns of a table by name, as its header row spells them. Throws Error(usage) on an empty or repeated
    // name.
    static Wanted columns(std::vector<std::string> names);

    // The same of tables that are written so. Throws as of().
    Wanted in_form(TableForm form) const { return of(*format_, names_, std::move(form)); }

    bool has_format() const noexcept { return format_ != nullptr; }  // not if it was made by Wanted()
    const Format& format() const noexcept { return *format_; }
    bool is_table() const noexcept;
    std::size_t size() const noexcept { return names_.size(); }
    std::span<const Attribute> attributes() const noexcept { return attributes_; }  // DICOM
    const TableForm& form() const noexcept { return form_; }                        // tables
    // The path or column name of value `index`: for messages.
    const std::string& name(std::size_t index) const { return names_.at(index); }

private:
    const Format* format_ = nullptr;
    std::vector<std::string> names_;
    std::vector<Attribute> attributes_;  // DICOM: compiled from the names
    TableForm form_;
};

// The largest that some of them may be: above, an array has no place in a volume or a shard's chunk (HDF5's end at 4 GiB),
// and a row that grows when it is decoded none in a message.
constexpr std::uint64_t kMostFileBytes = std::uint64_t{4} << 30, kMostArrayBytes = std::uint64_t{2} << 30,
                        kMostValueBytes = 1 << 20, kMostRowBytes = 8 << 20;

// What the reader may spend on one file or table. The defaults hold a worker below 512 MB.
struct Limits {
    std::uint64_t file_bytes = 160 << 20;      // a DICOM file as delivered
    std::uint64_t inflated_bytes = 160 << 20;  // a deflated data set, inflated, and at most
    std::uint64_t inflate_ratio = 256;         //   this many times (file size + 64 KB); an archive too
    std::uint64_t pixel_bytes = 160 << 20;     // all frames, decoded
    std::uint64_t image_bytes = 1 << 30;       // a single image as the dataset's field, converted and fitted
    std::uint64_t value_bytes = 64 << 10;      // one wanted attribute
    std::uint32_t depth = 64;                  // sequences in sequences
    std::uint32_t elements = 2'000'000;        // elements and items of a file, at all levels
    std::uint32_t fragments = 200'000;         // of encapsulated pixel data
    std::uint32_t archive_members = 250'000;   // files in a zip or tar file
    std::uint64_t rows = 2'000'000'000;        // of a table
    std::uint64_t row_bytes = 1 << 20;         // of one row
    double seconds = 20;                       // of the worker's processor time, per file or batch of rows
};

}  // namespace staging
