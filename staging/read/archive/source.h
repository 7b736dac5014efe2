#pragma once
#include <cstdint>
#include <optional>

#include "core/base/bytes.h"
#include "staging/read/codec/compressed.h"
#include "staging/read/read_at.h"
#include "staging/read/wanted.h"

namespace staging {

// An archive's bytes as libarchive is given them, decompressed. Knows how many have come, and how many zeros stand at the
// end of them.
class ArchiveSource {
public:
    // Throws Refused, as all that follow.
    ArchiveSource(ReadAt read, std::uint64_t bytes, const Limits& limits);
    ArchiveSource(const ArchiveSource&) = delete;
    ArchiveSource& operator=(const ArchiveSource&) = delete;

    bool is_compressed() const noexcept { return decompressor_.has_value(); }
    // What comes next; empty at the end. Valid until the next call.
    core::ByteView next();
    // Not of what is compressed.
    void seek(std::uint64_t to) noexcept;
    std::uint64_t at() const noexcept { return at_; }      // behind the last byte that came
    std::uint64_t came() const noexcept { return came_; }  // all that came, whatever was sought
    std::uint64_t zeros() const noexcept { return zeros_; }
    std::uint64_t bytes() const noexcept { return bytes_; }
    std::uint64_t most() const noexcept { return most_; }  // that it may grow to
    // Exactly `count` bytes of the archive as it lies there.
    core::Bytes exactly(std::uint64_t offset, std::size_t count) const;

private:
    const ReadAt read_;
    const std::uint64_t bytes_, most_;
    std::optional<Decompressor> decompressor_;
    core::Bytes out_;
    std::uint64_t at_ = 0, came_ = 0, zeros_ = 0;
};

}  // namespace staging
