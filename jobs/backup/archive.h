#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/base/files.h"
#include "core/keys/keys.h"

// What a backup holds, encrypted: files one after another, in constant memory (README.md has the bytes). libsodium's
// crypto_secretstream_xchacha20poly1305: a message that was changed, dropped, repeated or moved, and an archive that was cut,
// are found.

namespace jobs {

struct Archived {
    std::string name;  // "state/ledger.jsonl", "config/keys/grant.pub": no other folders
    mode_t mode = 0600;
};

// True for a name that stays within state/ and config/.
bool is_archived_name(std::string_view name);

// Writes `file` (0600), which must not exist before. Throws Error(system).
class ArchiveWriter {
public:
    ArchiveWriter(const std::filesystem::path& file, const core::SecretKey& key);
    ~ArchiveWriter();
    void begin(const Archived& next);  // of the file whose bytes follow
    void write(core::ByteView bytes);
    void finish();  // the file appears, whole

    std::uint64_t files() const;
    std::uint64_t bytes() const;  // of the archive
    core::Digest sha256() const;  // of the archive, after finish()

private:
    struct Inside;
    std::unique_ptr<Inside> inside_;
};

// Reads one from its beginning. Throws Error(data) wherever it is not what was written with this key.
class ArchiveReader {
public:
    ArchiveReader(const std::filesystem::path& file, const core::SecretKey& key);
    ~ArchiveReader();
    // The next file; its bytes that were not read are passed over. Nothing after the last, whose end is proven then.
    std::optional<Archived> next();
    // All bytes of the file that next() named, in pieces of at most 64 KiB.
    void read(const std::function<void(core::ByteView)>& take);

private:
    struct Inside;
    std::unique_ptr<Inside> inside_;
};

}  // namespace jobs
