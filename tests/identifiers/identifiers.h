#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"

// Looks for planted identifiers in bytes, in every form in which they have been found to leak: UTF-8, UTF-16,
// Big5, GB18030; each of those in hex and base64; JSON and URL escapes; and plain MD5, SHA-1 and SHA-256
// digests, which a dictionary of names or IDs undoes. A keyed digest is not found, and need not be.

namespace identifiers {

struct Identifier {
    std::string kind;   // "national_id", "name", ...
    std::string value;  // UTF-8; never printed
};

// Reads {"identifiers": [{"kind", "value"}, ...]}, as the demo's deliveries.py writes it. Throws Error(data).
std::vector<Identifier> load_planted(const std::filesystem::path& file);

// One place where one identifier was found. `form` is "big5 hex", "sha256 of utf-8" and the like.
struct Finding {
    std::string kind, form, where;
};

class Search {
public:
    // Forms shorter than six bytes are left out: they would be found in noise.
    explicit Search(const std::vector<Identifier>& planted);

    // Adds what is found in `bytes` to `findings()`. `where` must not hold an identifier itself.
    void bytes(core::ByteView bytes, const std::string& where);
    // The same for an array of elements of `element_bytes`: as it lies, and each byte of the elements for
    // itself: text hides in the high bytes of 16-bit pixels.
    void elements(core::ByteView bytes, std::size_t element_bytes, const std::string& where);

    // Every file at or below `path`, and every name. Links are not followed; only regular files are opened.
    // Files are named by their running number in byte order of the names: those can hold identifiers.
    void tree(const std::filesystem::path& path);

    // A dataset version, decrypted: every sample of every field, every column of every shard.
    void dataset(const std::filesystem::path& version, const std::filesystem::path& key);

    // After a thousand findings only the first of each place is kept: a naive copy has hundreds of thousands.
    const std::vector<Finding>& findings() const noexcept { return findings_; }
    std::uint64_t searched_bytes() const noexcept { return searched_bytes_; }
    std::uint64_t searched_files() const noexcept { return searched_files_; }
    std::size_t patterns() const noexcept { return patterns_.size(); }

private:
    struct Pattern {
        std::string bytes;
        std::uint32_t identifier;
        std::uint16_t form;
    };
    void add(std::string bytes, std::size_t identifier, const std::string& form);
    void add_forms(std::size_t identifier, const std::string& value);

    std::vector<Identifier> planted_;
    std::vector<std::string> forms_;
    std::map<std::string, std::uint16_t> form_numbers_;
    std::vector<Pattern> patterns_;            // sorted; none is the beginning of another
    std::vector<std::uint64_t> coarse_hints_;  // the same, coarser, and small enough for the cache
    std::vector<std::uint64_t> hints_;  // one bit per hash of six bytes: most places are left at a glance
    std::vector<Finding> findings_;
    std::uint64_t searched_bytes_ = 0, searched_files_ = 0;
};

}  // namespace identifiers
