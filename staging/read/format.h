#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "staging/read/record.h"
#include "staging/read/word.h"

namespace staging {

// A kind of file. The table in format.cpp is the only list of them: a new kind is a row there, a folder of its
// own, and its test.
struct Format {
    std::string_view name;  // in a profile: source = "dicom"
    // Read for what it says as a mask: no profile can name it.
    bool is_for_masks = false;
    // Rows, a batch at a time (table/), instead of one Record for a file.
    bool is_table = false;
    // Whether a file that begins with `head` is one; `head` has its first 512 bytes, or all of it.
    bool (*recognises)(core::ByteView head) = nullptr;
    // The whole file to a Record; runs in the worker. `pixels` has room for limits.pixel_bytes; the Record's
    // pixels point into it. Never throws for what is in the file, but for memory (std::bad_alloc). Null for
    // tables.
    Record (*read)(core::ByteView file, const Wanted& wanted, const Limits& limits, Depth depth,
                   std::span<std::uint8_t> pixels) = nullptr;
    // Files that come in pairs: the header's name ends as `first`, the data's, else the same, as `second`; the header
    // is the sample. Both whole, as read(). Null and empty where there are none.
    std::string_view first{}, second{};
    Record (*read_pair)(core::ByteView first, core::ByteView second, const Wanted& wanted,
                        const Limits& limits, Depth depth, std::span<std::uint8_t> pixels) = nullptr;
    // For Depth::header, by the beginning of the file: nullopt if more of it is needed, `needed` bytes at least.
    // Null where only the whole file can be read.
    std::optional<Record> (*read_head)(core::ByteView head, std::uint64_t file_bytes, const Wanted& wanted,
                                       const Limits& limits, std::uint64_t& needed) = nullptr;
    // What must be done before the worker gives up files and most system calls; once, in the fork server.
    void (*prepare)() noexcept = nullptr;
    // Whether a file of this kind can have a value of that name. Null: the names are compiled (DICOM) or the
    // table's own.
    bool (*knows)(std::string_view name) = nullptr;
};

// The name of the other file of a pair, and whether `name` is the header's; nullopt if files of that format and name
// come alone. Ends with the case of `name`; a ".gz" behind it stays.
struct Pair {
    std::string other;
    bool is_first;
};
std::optional<Pair> pair_of(const Format& format, std::string_view name);

// Which of the files that macOS writes beside others this is, by its name and its beginning (kBesideHead bytes are enough):
// "AppleDouble" (RFC 1740: a file's attributes, in archives and on other systems' disks), ".DS_Store" (a folder's); empty if
// none. A file that is named alike and is something else is none.
inline constexpr std::size_t kBesideHead = 8;
Word macos_file(std::string_view name, core::ByteView head) noexcept;

// Whether a file's name ends so, in any case of ASCII's letters.
bool ends_with_folded(std::string_view name, std::string_view suffix) noexcept;

std::span<const Format> formats() noexcept;
const Format* find_format(std::string_view name) noexcept;  // nullptr for a name that is not in the table

}  // namespace staging
