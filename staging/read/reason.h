#pragma once
#include <cstdint>
#include <string_view>

namespace staging {

// Why a file, or a row of a table, did not become a sample. The names (reason_name) are stable: quarantine
// records, reports and tests hold them. A new reason goes to the end of its group; none is ever renamed.
enum class Reason : std::uint8_t {
    none,  // nothing wrong

    // The entry in the delivery.
    symlink,             // a symbolic link, or one on the way to it
    not_regular,         // FIFO, socket, device, folder in place of a file
    unreadable,          // it cannot be opened or read: gone, no permission, an I/O error
    changed_while_read,  // its size changed under the reader
    too_large,           // more bytes than Limits::file_bytes
    duplicate,           // the same bytes, or the same pixels, were already taken (found by the caller)

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
    count_          // how many there are; no reason
};

// "truncated", "risk_face", ... ASCII, no spaces.
std::string_view reason_name(Reason reason) noexcept;

}  // namespace staging
