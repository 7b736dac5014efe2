#include "staging/read/deviation.h"

#include <iterator>

namespace staging {
namespace {

struct Row {
    Deviation deviation;
    std::string_view name, text;
};

// In the order of the enumeration; a deviation without its row does not compile.
constexpr Row kRows[] = {
    {Deviation::no_preamble, "no_preamble",
     "without the 128 bytes or the DICM that a file of DICOM begins with"},
    {Deviation::implicit_meta, "implicit_meta", "file meta information in implicit VR"},
    {Deviation::trailing_zeros, "trailing_zeros", "zeros behind the data set"},
    {Deviation::no_sequence_delimiter, "no_sequence_delimiter",
     "encapsulated pixel data that end with the file"},
    {Deviation::unknown_vr, "unknown_vr", "a value representation that the standard does not have"},
    {Deviation::undefined_length, "undefined_length", "undefined length where it may not be"},
    {Deviation::delimiter_in_defined, "delimiter_in_defined",
     "a delimiter in a sequence that says its length"},
    {Deviation::order_of_elements, "order_of_elements", "elements out of order, or twice"},
    {Deviation::defined_encapsulated, "defined_encapsulated",
     "encapsulated pixel data that say their length"},
    {Deviation::wrong_transfer_syntax, "wrong_transfer_syntax",
     "written in another transfer syntax than it says"},
    {Deviation::extra_pixel_bytes, "extra_pixel_bytes", "more pixel data than the image has"},
};

constexpr bool complete() {
    for (std::size_t i = 0; i < std::size(kRows); ++i)
        if (static_cast<std::size_t>(kRows[i].deviation) != i) return false;
    return std::size(kRows) == kDeviations;
}
static_assert(complete(), "every Deviation has its row, in order");

}  // namespace

std::string_view deviation_name(Deviation deviation) noexcept {
    return kRows[static_cast<std::size_t>(deviation)].name;
}

std::string_view deviation_text(std::string_view name) noexcept {
    for (const Row& row : kRows)
        if (row.name == name) return row.text;
    return {};
}

void count_file(DeviationCounts& counts, std::uint32_t deviations) noexcept {
    for (std::size_t i = 0; i < kDeviations; ++i) counts[i] += deviations >> i & 1U;
}

}  // namespace staging
