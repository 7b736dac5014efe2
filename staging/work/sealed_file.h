#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "core/keys/keys.h"
#include "staging/work/disk.h"

namespace staging {

// Blocks of bytes on disk that nobody reads without the run's key: what stage 1 found waits here for its
// shard. XChaCha20-Poly1305 with a random nonce for each block (libsodium); a block is bound to its place and
// to `purpose`, so that none can be moved or repeated. Little is asked of it: the work folder is gone when a
// build has ended.
class SealedWriter {
public:
    // Creates the file, or appends to it. Throws Error(system).
    SealedWriter(const std::filesystem::path& path, const core::SecretKey& key, std::string purpose,
                 Disk& disk = Disk::real());
    // Where the block begins.
    std::uint64_t append(core::ByteView block);
    // What was appended is on the disk. Throws Error(system).
    void sync();
    std::uint64_t bytes() const noexcept { return end_; }

private:
    Disk& disk_;
    core::Fd fd_;
    const core::SecretKey& key_;
    std::string purpose_;
    std::uint64_t end_ = 0;
};

class SealedReader {
public:
    // Throws Error(system) if the file cannot be opened.
    SealedReader(const std::filesystem::path& path, const core::SecretKey& key, std::string purpose,
                 Disk& disk = Disk::real());
    // The block that begins at `offset`. Throws Error(data) if it is not what was written.
    core::Bytes at(std::uint64_t offset) const;
    // Where the block ends that begins at `offset` and holds `plain_bytes`.
    static std::uint64_t after(std::uint64_t offset, std::uint64_t plain_bytes) noexcept;
    // One block after another; nothing at the end. Throws as `at`.
    std::optional<core::Bytes> next();
    std::uint64_t bytes() const noexcept { return size_; }

private:
    Disk& disk_;
    core::Fd fd_;
    const core::SecretKey& key_;
    std::string purpose_;
    std::uint64_t size_ = 0, position_ = 0;
};

}  // namespace staging
