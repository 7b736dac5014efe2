#pragma once
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/env.h"

namespace core {

// Owns a file descriptor; closes once.
class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) noexcept : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Fd();
    int get() const noexcept { return fd_; }
    bool is_open() const noexcept { return fd_ >= 0; }
    int release() noexcept { return std::exchange(fd_, -1); }

private:
    int fd_ = -1;
};

// Opens a regular file for reading without following a symbolic link in the last component, without blocking
// on a FIFO. Throws Error(system) if it is absent or not readable, Error(data) if it is anything but a
// regular file.
Fd open_regular(const std::filesystem::path& path);

// The whole file. Throws as open_regular, and Error(data) if it is larger than `limit_bytes`.
Bytes read_file(const std::filesystem::path& path, std::uint64_t limit_bytes = 64 << 20);
std::string read_text(const std::filesystem::path& path, std::uint64_t limit_bytes = 64 << 20);

// Calls `take` with the file's bytes in their order, at most 1 MiB at a time, up to `limit_bytes`. Throws as open_regular.
void read_pieces(const std::filesystem::path& path, const std::function<void(ByteView)>& take,
                 std::uint64_t limit_bytes = UINT64_MAX);
// Of the whole file, in constant memory. Throws as open_regular.
Digest file_sha256(const std::filesystem::path& path);

// Writes all or throws Error(system).
void write_all(int fd, ByteView bytes, Env& env = Env::real());

// Makes a file appear under its name complete or not at all: temporary name in the same folder, then
// commit(): fsync, rename, fsync of the folder. Without commit() the temporary file is removed.
// Temporary names start with ".tmp-", so that a later run can sweep what a killed one left.
class AtomicFile {
public:
    explicit AtomicFile(std::filesystem::path path, mode_t mode = 0600, Env& env = Env::real());
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;
    ~AtomicFile();
    int fd() const noexcept { return fd_.get(); }
    const std::filesystem::path& temporary() const noexcept { return temporary_; }
    void write(ByteView bytes) { write_all(fd(), bytes, env_); }
    void commit();
    // The same, but replaces nothing: false if something has that name already, even since a moment ago. link()
    // and not renameat2(RENAME_NOREPLACE), which NFS does not know.
    [[nodiscard]] bool commit_new();

private:
    Env& env_;
    std::filesystem::path path_, temporary_;
    Fd fd_;
};

void write_atomically(const std::filesystem::path& path, ByteView bytes, mode_t mode = 0600,
                      Env& env = Env::real());
void write_atomically(const std::filesystem::path& path, std::string_view text, mode_t mode = 0600,
                      Env& env = Env::real());

// fsync of a folder, so that names made or removed in it survive a crash.
void sync_directory(const std::filesystem::path& path, Env& env = Env::real());

// mkdir -p with `mode` for every folder that is made. Throws Error(system).
void make_directories(const std::filesystem::path& path, mode_t mode = 0750);

// A folder of this process (0700), below the system's place for such; gone with this object. Throws Error(system).
class TemporaryFolder {
public:
    explicit TemporaryFolder(std::string_view name);  // "aloft-check": with it names begin
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder();
    const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

}  // namespace core
