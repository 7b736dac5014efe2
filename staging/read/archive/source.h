#pragma once
#include <zlib.h>

#include <cstdint>

#include "core/base/bytes.h"
#include "staging/read/read_at.h"
#include "staging/read/wanted.h"

namespace staging {

// An archive's bytes as libarchive is given them, gzip inflated and its sums checked. Knows how many have come, and
// how many zeros stand at the end of them.
class ArchiveSource {
public:
    // Throws Refused, as all that follow.
    ArchiveSource(ReadAt read, std::uint64_t bytes, const Limits& limits);
    ArchiveSource(const ArchiveSource&) = delete;
    ArchiveSource& operator=(const ArchiveSource&) = delete;
    ~ArchiveSource();

    bool is_gzip() const noexcept { return is_gzip_; }
    // What comes next; empty at the end. Valid until the next call.
    core::ByteView next();
    // Not of gzip.
    void seek(std::uint64_t to) noexcept;
    std::uint64_t at() const noexcept { return at_; }      // behind the last byte that came
    std::uint64_t came() const noexcept { return came_; }  // all that came, whatever was sought
    std::uint64_t zeros() const noexcept { return zeros_; }
    std::uint64_t bytes() const noexcept { return bytes_; }
    std::uint64_t most_inflated() const noexcept { return most_; }
    // Exactly `count` bytes of the archive as it lies there.
    core::Bytes exactly(std::uint64_t offset, std::size_t count) const;

private:
    std::size_t fill();
    const ReadAt read_;
    const std::uint64_t bytes_, most_;
    bool is_gzip_ = false, ended_ = false;
    z_stream z_{};
    core::Bytes packed_, out_;
    std::uint64_t read_at_ = 0, at_ = 0, came_ = 0, zeros_ = 0;
};

}  // namespace staging
