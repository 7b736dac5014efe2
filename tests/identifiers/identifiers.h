#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/shard/schema.h"
#include "identifiers/forms.h"

// Looks for planted identifiers in bytes, in every form in which they have been found to leak: UTF-8, UTF-16,
// Big5, GB18030; each of those in hex and base64; JSON and URL escapes; and plain MD5, SHA-1 and SHA-256
// digests, which a dictionary of names or IDs undoes. A keyed digest is not found, and need not be. With Breadth::every
// also: more character sets, names of two characters, reversed, digits alone, either case, full-width letters, percent,
// entity and quoted-printable encodings; inside zlib, gzip and zip streams; in each bit of elements; in numbers.

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
    // Forms shorter than six bytes are left out: they would be found in noise. With `every`, those of four that are not
    // letters and digits alone are looked for, but not in shards as they lie, which are noise.
    explicit Search(const std::vector<Identifier>& planted, Breadth breadth = Breadth::usual);

    // Adds what is found in `bytes` to `findings()`. `where` must not hold an identifier itself.
    void bytes(core::ByteView bytes, const std::string& where);
    // The same for an array of elements of `element_bytes`: as it lies, and each byte of the elements for
    // itself: text hides in the high bytes of 16-bit pixels. With `every` each bit, too, eight to a byte in either order.
    void elements(core::ByteView bytes, std::size_t element_bytes, const std::string& where);

    // Every file at or below `path`, and every name. Links are not followed; only regular files are opened.
    // Files are named by their running number in byte order of the names: those can hold identifiers.
    // `sealed`: files are noise, as shards are.
    enum class Contents { open, sealed };
    void tree(const std::filesystem::path& path, Contents contents = Contents::open);

    // A dataset version, decrypted: every sample of every field, every column of every shard.
    void dataset(const std::filesystem::path& version, const std::filesystem::path& key);

    // After a thousand findings only the first of each place and of each identifier is kept: a naive copy has hundreds of
    // thousands.
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
    enum class Shorts { sought, passed_over };
    void add(Form form, std::size_t identifier);
    void find(core::ByteView bytes, const std::string& where, Shorts shorts);
    void found(const Pattern& pattern, const std::string& where);
    void inflated(core::ByteView bytes, const std::string& where, int depth);
    void number(double value, const std::string& where);
    void field(core::ByteView elements, core::DType type, const std::string& where);
    void bits(core::ByteView elements, std::size_t element_bytes, const std::string& where);

    Breadth breadth_;

    std::vector<Identifier> planted_;
    std::vector<std::string> forms_;
    std::map<std::string, std::uint16_t> form_numbers_;
    std::vector<Pattern> patterns_;            // sorted; none is the beginning of another
    std::vector<std::uint64_t> coarse_hints_;  // the same, coarser, and small enough for the cache
    std::vector<std::uint64_t> hints_;  // one bit per hash of six bytes: most places are left at a glance
    std::multimap<std::uint32_t, Pattern> short_patterns_;  // by their first four bytes
    std::vector<bool> short_hints_;                         // by their first two
    std::pair<std::uint32_t, std::string> last_;            // the identifier that was found last, and where
    std::vector<bool> is_found_;                            // of each identifier
    std::vector<Finding> findings_;
    std::uint64_t searched_bytes_ = 0, searched_files_ = 0;
};

}  // namespace identifiers
