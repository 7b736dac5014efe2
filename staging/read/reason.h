#pragma once
#include <cstdint>
#include <string_view>

namespace staging {

// Why a file, or a row of a table, did not become a sample: the one list. Each has a row in reason.cpp, with its
// name and whose move it is. The names are stable: quarantine records, reports and tests hold them; none is ever
// renamed. A new reason goes to the end of its group.
enum class Reason : std::uint8_t {
    none,  // nothing wrong

    // The entry in the delivery.
    symlink,             // a symbolic link, or one on the way to it
    not_regular,         // FIFO, socket, device, folder in place of a file
    unreadable,          // it cannot be opened or read: gone, no permission, an I/O error
    changed_while_read,  // its size changed under the reader
    too_large,           // more bytes than Limits::file_bytes
    io_error,            // the machine could not read it: no verdict, the file is tried again
    duplicate,           // the same bytes, or the same pixels, were already taken (found by the caller)

    // Of an archive that is read as a folder.
    encrypted,    // a password is needed
    unsafe_name,  // absolute, or with ".." or an empty part
    name_twice,   // two files of one name in an archive: nobody can tell which is meant

    // The bytes.
    not_recognised,         // not DICOM Part 10 (no preamble and "DICM")
    truncated,              // ends inside an element, an item or a fragment, or declares more than there is
    malformed,              // breaks PS3.5 in another way: order, lengths, delimiters, VRs
    nesting_too_deep,       // more levels than Limits::depth
    too_many_elements,      // more elements, items or fragments than Limits allows
    length_exceeds_parent,  // a declared length reaches beyond the item or sequence it is in
    value_too_large,        // a wanted attribute is longer than Limits::value_bytes
    decompression_limit,    // deflated bytes that grow beyond Limits

    // The pixels.
    transfer_syntax_unsupported,  // Record::detail has the syntax' name
    no_pixel_data,                // pixels were asked for and there are none
    missing_attribute,         // an attribute without which the file cannot be read; `detail` has its keyword
    pixel_format_unsupported,  // bits allocated, samples or photometric interpretation that we do not read
    pixel_size_mismatch,       // rows x columns x frames x samples does not agree with the pixel data
    pixels_too_large,          // more than Limits::pixel_bytes once decoded
    decode_failed,             // the codec refused a frame

    // The class of image (found by the caller: Facts).
    risk_burned_in_text,  // a class in which text is burned into pixels: ultrasound, secondary capture, ...
    risk_face,            // a head volume from which a face can be made
    face_not_removed,  // a volume that may hold a face, and none could be cut off for sure; `detail` says what failed

    // The series it belongs to (found by the caller: image/series.h).
    series_geometry,   // no usable position, orientation or spacing
    series_localizer,  // a scout image
    series_single,     // alone in its orientation and size: no volume
    series_duplicate,  // the same pixels at the same position of the same series
    series_mixed,      // several frames at one position, and nothing that tells them apart
    series_gap,        // slices are missing between its neighbours
    series_spacing,    // distances between slices vary
    series_tilt,       // the gantry was tilted: slices are sheared
    series_too_large,  // a volume of more bytes than a shard's chunk holds
    image_too_large,   // a single image of more than Limits::image_bytes as the dataset's field

    // What its values mean (found by the caller: image/meaning.h).
    units_differ,        // not in the units that the field declares
    padding_undeclared,  // pixels that stand for no measurement, and the field declares no number for them

    // Images, labels and masks that belong together (found by the caller: image/).
    half_of_pair,     // the header or the data of a pair of files, without the other
    unmatched_image,  // no label, or no mask, where the dataset wants one
    unmatched_label,  // a label or a mask without an image
    mask_off_grid,    // a mask that does not lie on its image's grid
    bad_mask,         // a segmentation whose frames or segments cannot be told
    label_conflict,   // two rows or masks of different contents for one image

    // The worker that read it.
    worker_died,   // it crashed, or did what its sandbox forbids
    time_limit,    // more processor time than Limits::seconds
    memory_limit,  // more memory than its sandbox allows

    // Tables.
    bad_header,     // no header row, a column name twice, or a wanted column missing; `detail` has its name
    bad_row,        // a row with more or fewer fields than the header
    bad_quoting,    // quotes that break RFC 4180; the rest of the table cannot be read
    not_utf8,       // a field that is not UTF-8, or holds a NUL
    row_too_large,  // more bytes in a row than Limits::row_bytes
    too_many_rows,  // more rows than Limits::rows; the rest of the table was not read
    bad_value,      // a value that the profile cannot use: not a number, not a date (found by the caller)
    unlisted,       // a value that is not among the profile's categories (found by the caller)

    // What it is (found by deid/ and image/).
    not_selected,        // of a kind that the dataset does not take
    unlisted_sop_class,  // of a class that the profile does not list
    unlisted_anatomy,    // no body part that the profile lists, or none at all: it could be a head
    shape_differs,       // not the field's fixed shape
    value_does_not_fit,  // a pixel outside the field's type

    // Whose it is, and when it was.
    placeholder_id,         // what stands for an unknown person (UNKNOWN, 0, A123456789), on the site's list
    identity_conflict,      // identifiers of two people in one file, or joined by several
    uid_conflict,           // one SOP Instance UID with two contents or two patients
    study_of_two_patients,  // one Study Instance UID with two patients
    ambiguous_date,         // two readings are plausible, and the delivery's description declares neither
    bad_uid,                // a UID with other signs than digits and dots, or of more than 64
    undecodable,            // text that its character set does not decode

    // The whole dataset (stage 2).
    risk_small_group,  // fewer than k patients are alike
    opted_out,         // its patient is on the hospital's list of people who said no
    not_consented,     // or of those who have not been asked, or have not answered

    count_  // how many there are; no reason
};

// Whose move it is. `machine` is never a verdict on a file: it is tried again, then the run fails.
enum class Side : std::uint8_t { file, machine, not_wanted };

// "truncated", "risk_face", ... ASCII, no spaces.
std::string_view reason_name(Reason reason) noexcept;
Side side_of(Reason reason) noexcept;
// One sentence for reports: what it means and what can be done.
std::string_view reason_text(Reason reason) noexcept;

}  // namespace staging
