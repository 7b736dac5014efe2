#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "staging/read/read_at.h"
#include "staging/read/reason.h"
#include "staging/read/wanted.h"

namespace staging {

// Whether a file of that name is read as a folder: .zip, .tar, a compressed .tar (codec/compressed.h), in any case.
bool is_archive_name(std::string_view name);

// One of an archive's files. Folders are none.
struct Member {
    std::string name;              // without "./" before it; may hold identifiers
    Reason reason = Reason::none;  // why it is not read: encrypted, a link, an unsafe name, too large
    std::uint64_t bytes = 0;
};

// A zip or tar file (plain or compressed), member by member in the archive's own order; runs in the worker. libarchive
// parses what the Decompressor gives. An archive is whole or it is refused: one
// that ends too early, has something behind its end, or would grow beyond Limits has no members.
class ArchiveReader {
public:
    // What libarchive must do while files may still be opened.
    static void prepare() noexcept;

    // `bytes` of it, by `read`.
    ArchiveReader(ReadAt read, std::uint64_t bytes, const Limits& limits);
    ~ArchiveReader();

    // The next file; false behind the last. Throws Refused where the archive is not whole, and ever after.
    bool next(Member& member);
    // All of the file that next() gave. Throws Refused.
    void load(core::Bytes& out);
    // What has been read so far, inflated: what a question has cost.
    std::uint64_t work() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace staging
