#include "staging/read/reason.h"

#include <cstddef>
#include <iterator>

namespace staging {
namespace {

struct Row {
    Reason reason;
    std::string_view name;
    Side side;
    std::string_view text;
};

// In the order of the enumeration; a reason without its row does not compile.
constexpr Row kRows[] = {
    {Reason::none, "none", Side::file, "nothing is wrong"},
    {Reason::symlink, "symlink", Side::file, "a link: deliver the file itself"},
    {Reason::not_regular, "not_regular", Side::file, "no regular file"},
    {Reason::unreadable, "unreadable", Side::file, "it cannot be opened: look at its permissions"},
    {Reason::changed_while_read, "changed_while_read", Side::file,
     "it changed while it was read: deliver it when it is whole"},
    {Reason::too_large, "too_large", Side::file, "larger than file_bytes of the definition's [limits]"},
    {Reason::io_error, "io_error", Side::machine, "the machine could not read it: it is tried again"},
    {Reason::duplicate, "duplicate", Side::file, "the same content was taken already"},
    {Reason::encrypted, "encrypted", Side::file, "in an archive with a password: deliver it without"},
    {Reason::unsafe_name, "unsafe_name", Side::file, "a name in an archive that leads out of it, or is none"},
    {Reason::name_twice, "name_twice", Side::file,
     "several files of an archive have this name: send it once"},
    {Reason::not_recognised, "not_recognised", Side::file, "not of the format that the profile reads"},
    {Reason::truncated, "truncated", Side::file, "it ends too early: send it again"},
    {Reason::malformed, "malformed", Side::file, "it breaks its format"},
    {Reason::nesting_too_deep, "nesting_too_deep", Side::file,
     "more levels of sequences than [limits] depth, or of folders"},
    {Reason::too_many_elements, "too_many_elements", Side::file,
     "more elements, frames or members than [limits] elements, fragments or archive_members"},
    {Reason::length_exceeds_parent, "length_exceeds_parent", Side::file,
     "a length reaches beyond what it is in"},
    {Reason::value_too_large, "value_too_large", Side::file,
     "a wanted value is longer than [limits] value_bytes"},
    {Reason::decompression_limit, "decompression_limit", Side::file,
     "it grows beyond [limits] inflated_bytes or inflate_ratio when it is inflated"},
    {Reason::transfer_syntax_unsupported, "transfer_syntax_unsupported", Side::file,
     "a transfer syntax that is not read"},
    {Reason::no_pixel_data, "no_pixel_data", Side::file, "it has no pixels"},
    {Reason::missing_attribute, "missing_attribute", Side::file, "an attribute that must be there is not"},
    {Reason::pixel_format_unsupported, "pixel_format_unsupported", Side::file,
     "a pixel format that is not read"},
    {Reason::pixel_size_mismatch, "pixel_size_mismatch", Side::file,
     "the pixel data have another size than the header says"},
    {Reason::pixels_too_large, "pixels_too_large", Side::file,
     "larger than [limits] pixel_bytes once decoded"},
    {Reason::decode_failed, "decode_failed", Side::file, "the codec refuses a frame"},
    {Reason::risk_burned_in_text, "risk_burned_in_text", Side::file, "text may be burned into the pixels"},
    {Reason::risk_face, "risk_face", Side::file,
     "a face can be made from it: deface it, or declare that it has none"},
    {Reason::face_not_removed, "face_not_removed", Side::file,
     "it may hold a face, and nobody can be sure that it was cut off: deface it, or declare that it has "
     "none"},
    {Reason::series_geometry, "series_geometry", Side::file,
     "it does not say where it lies: no usable position, orientation or spacing"},
    {Reason::series_localizer, "series_localizer", Side::file, "a scout image: no part of a volume"},
    {Reason::series_single, "series_single", Side::file,
     "the only image of its series in this orientation and size: no volume"},
    {Reason::series_duplicate, "series_duplicate", Side::file,
     "the same pixels at the same position of the same series"},
    {Reason::series_mixed, "series_mixed", Side::file,
     "several images at one position, and nothing tells them apart"},
    {Reason::series_gap, "series_gap", Side::file, "its series lacks slices: send the series whole"},
    {Reason::series_spacing, "series_spacing", Side::file, "the distances between its series' slices vary"},
    {Reason::series_tilt, "series_tilt", Side::file, "its series' slices are sheared (a tilted gantry)"},
    {Reason::series_too_large, "series_too_large", Side::file, "its volume is larger than a shard can hold"},
    {Reason::image_too_large, "image_too_large", Side::file,
     "larger than [limits] image_bytes as the dataset's field"},
    {Reason::units_differ, "units_differ", Side::file, "its values are not in the field's units"},
    {Reason::padding_undeclared, "padding_undeclared", Side::file,
     "it has padding: declare a number for it (padding) in the dataset's field"},
    {Reason::half_of_pair, "half_of_pair", Side::file,
     "a header or data without the other of the pair: deliver both, side by side"},
    {Reason::unmatched_image, "unmatched_image", Side::file, "no label or mask belongs to it"},
    {Reason::unmatched_label, "unmatched_label", Side::file, "no image belongs to it"},
    {Reason::mask_off_grid, "mask_off_grid", Side::file, "it does not lie on its image's grid"},
    {Reason::bad_mask, "bad_mask", Side::file, "its segments or frames cannot be told"},
    {Reason::label_conflict, "label_conflict", Side::file,
     "another row or mask says something else of the same image: the hospital decides"},
    {Reason::worker_died, "worker_died", Side::file, "its reader crashed, or did what the sandbox forbids"},
    {Reason::time_limit, "time_limit", Side::file, "more processor time than [limits] seconds"},
    {Reason::memory_limit, "memory_limit", Side::file,
     "more memory than [limits] file_bytes and inflated_bytes leave its reader"},
    {Reason::bad_header, "bad_header", Side::file,
     "the header row lacks a wanted column, or has two of its name, so nothing of the table is taken: "
     "declare separator and encoding in the "
     "delivery's description"},
    {Reason::bad_row, "bad_row", Side::file, "more or fewer fields than the header"},
    {Reason::bad_quoting, "bad_quoting", Side::file,
     "quotes that break RFC 4180: of the table, nothing from this row on is taken"},
    {Reason::not_utf8, "not_utf8", Side::file, "not of the encoding that is declared"},
    {Reason::row_too_large, "row_too_large", Side::file,
     "a row longer than [limits] row_bytes; if a quote is never closed, all that follows in the table is "
     "that row"},
    {Reason::too_many_rows, "too_many_rows", Side::file,
     "more rows than [limits] rows: of the table, nothing from this row on is taken"},
    {Reason::bad_value, "bad_value", Side::file, "a value that the profile cannot use"},
    {Reason::unlisted, "unlisted", Side::file, "a value that the profile does not list"},
    {Reason::not_selected, "not_selected", Side::not_wanted, "the dataset does not take this kind"},
    {Reason::unlisted_sop_class, "unlisted_sop_class", Side::file,
     "a SOP class that the profile does not list"},
    {Reason::unlisted_anatomy, "unlisted_anatomy", Side::file,
     "no body part that the profile lists: it could show a face"},
    {Reason::shape_differs, "shape_differs", Side::file, "not of the field's shape"},
    {Reason::value_does_not_fit, "value_does_not_fit", Side::file, "a pixel does not fit the field's type"},
    {Reason::placeholder_id, "placeholder_id", Side::file,
     "an identifier that stands for nobody: find out whose it is"},
    {Reason::identity_conflict, "identity_conflict", Side::file,
     "its identifiers belong to two people: the hospital decides"},
    {Reason::uid_conflict, "uid_conflict", Side::file,
     "one instance UID, two contents or patients: the hospital decides"},
    {Reason::study_of_two_patients, "study_of_two_patients", Side::file,
     "one study UID, two patients: the hospital decides"},
    {Reason::ambiguous_date, "ambiguous_date", Side::file,
     "a date with two readings: declare the calendar in the delivery's description"},
    {Reason::bad_uid, "bad_uid", Side::file, "a UID of a form that PS3.5 forbids"},
    {Reason::undecodable, "undecodable", Side::file, "text that its character set does not decode"},
    {Reason::risk_small_group, "risk_small_group", Side::file, "fewer than k patients are alike"},
    {Reason::opted_out, "opted_out", Side::file, "its patient said no: nothing of theirs may be taken"},
    {Reason::not_consented, "not_consented", Side::file,
     "its patient has not been asked, or has not answered"},
};

constexpr bool complete() {
    for (std::size_t i = 0; i < std::size(kRows); ++i)
        if (static_cast<std::size_t>(kRows[i].reason) != i || kRows[i].name.empty() || kRows[i].text.empty())
            return false;
    return std::size(kRows) == static_cast<std::size_t>(Reason::count_);
}
static_assert(complete(), "every Reason has its row, in order");

const Row* row(Reason reason) noexcept {
    const auto index = static_cast<std::size_t>(reason);
    return index < std::size(kRows) ? &kRows[index] : nullptr;
}

}  // namespace

std::string_view reason_name(Reason reason) noexcept {
    const Row* found = row(reason);
    return found ? found->name : "unknown";
}

Side side_of(Reason reason) noexcept {
    const Row* found = row(reason);
    return found ? found->side : Side::machine;  // what nobody knows is no verdict on a file
}

std::string_view reason_text(Reason reason) noexcept {
    const Row* found = row(reason);
    return found ? found->text : "unknown";
}

}  // namespace staging
