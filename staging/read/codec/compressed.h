#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/base/bytes.h"
#include "staging/read/read_at.h"
#include "staging/read/wanted.h"
#include "staging/read/word.h"

struct archive;

namespace staging {

// How a whole file may be compressed: a tar file, a table. The table in compressed.cpp is the only list of them.
struct Compression {
    std::string_view suffix;      // of a file's name, as ".gz"
    std::string_view tar_suffix;  // of a tar file's, where it is one word: ".tgz"
    std::string_view begins;      // the file's first bytes; '?' stands for any digit
    Word word;                    // of a refusal
    int (*filter)(struct archive*) =
        nullptr;  // of libarchive; null: zlib, since libarchive checks no sum of gzip's
};

std::span<const Compression> compressions() noexcept;

// What a file is compressed by, as its beginning says; null if by nothing. kCompressionHead bytes are enough.
inline constexpr std::size_t kCompressionHead = 10;
const Compression* compression_of(core::ByteView head) noexcept;

// `name` without a compression's suffix, in any case of letters; `name` itself if it has none.
std::string_view decompressed_name(std::string_view name) noexcept;

// What a file of `file_bytes` may grow to.
std::uint64_t most_decompressed(std::uint64_t file_bytes, const Limits& limits) noexcept;

// A compressed file's bytes in their order, all of its members or streams one behind the other, their sums checked where they have any; runs
// in the worker. The file is read from its beginning to its end, piece by piece.
class Decompressor {
public:
    // Throws Refused, as read() does: malformed, truncated, decompression_limit, what reading the file gives.
    Decompressor(const Compression& how, ReadAt file, std::uint64_t file_bytes, const Limits& limits);
    ~Decompressor();

    // What comes next into `out`; how much, 0 only at the end of the file.
    std::size_t read(std::span<std::uint8_t> out);

    class Engine;

private:
    const std::uint64_t most_;
    std::uint64_t came_ = 0;
    std::unique_ptr<Engine> engine_;
};

// The next bytes of `file`, which has `bytes`, into `out`, from `at` on, which moves; how many, 0 only at the end. Throws
// Refused(io_error | unreadable | changed_while_read).
std::size_t read_next(const ReadAt& file, std::uint64_t bytes, std::uint64_t& at,
                      std::span<std::uint8_t> out);

}  // namespace staging
