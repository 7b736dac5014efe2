#include "staging/work/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "core/base/error.h"

namespace staging {
namespace {

[[noreturn]] void fail(const std::string& doing) {
    throw core::Error(core::Fault::system, core::with_errno(doing, errno));
}

bool is_absent(int error) {
    return error == ENOENT || error == ENOTDIR;
}

}  // namespace

ssize_t Disk::pread(int fd, void* bytes, std::size_t size, off_t at) {
    return ::pread(fd, bytes, size, at);
}
int Disk::fstat(int fd, struct stat* status) {
    return ::fstat(fd, status);
}
int Disk::fstatat(int folder, const char* name, struct stat* status, int flags) {
    return ::fstatat(folder, name, status, flags);
}
int Disk::faccessat(int folder, const char* name, int mode, int flags) {
    return ::faccessat(folder, name, mode, flags);
}
int Disk::names(const char* folder, std::vector<std::string>* out) {
    const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder), ::closedir);
    if (!open) return -1;
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(open.get());
        if (!entry) return errno ? -1 : 0;
        struct stat status {};
        if (::fstatat(::dirfd(open.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW)) {
            if (errno != ENOENT) return -1;
        } else if (!S_ISDIR(status.st_mode)) {
            out->emplace_back(entry->d_name);
        }
    }
}
int Disk::mkdir(const char* path, mode_t mode) {
    if (::mkdir(path, mode)) return -1;
    return ::chmod(path, mode);  // whatever the umask
}
int Disk::rmdir(const char* path) {
    return ::rmdir(path);
}

Disk& Disk::real() {
    static Disk disk;
    return disk;
}

bool exists(const std::filesystem::path& path, Disk& disk) {
    struct stat status {};
    if (disk.fstatat(AT_FDCWD, path.c_str(), &status, 0) == 0) return true;
    if (!is_absent(errno)) fail("cannot look for " + path.string());
    return false;
}

std::vector<std::string> names_in(const std::filesystem::path& folder, Disk& disk) {
    std::vector<std::string> out;
    if (disk.names(folder.c_str(), &out) && !is_absent(errno)) fail("cannot list " + folder.string());
    return out;
}

void remove_file(const std::filesystem::path& path, Disk& disk) {
    if (disk.unlink(path.c_str()) && !is_absent(errno)) fail("cannot remove " + path.string());
}

core::Fd open_to_read(const std::filesystem::path& path, Disk& disk) {
    core::Fd fd(disk.open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0));
    if (!fd.is_open()) fail("cannot open " + path.string());
    return fd;
}

std::uint64_t size_of(const core::Fd& fd, Disk& disk) {
    struct stat status {};
    if (disk.fstat(fd.get(), &status)) fail("cannot examine a work file");
    return static_cast<std::uint64_t>(status.st_size);
}

bool read_at(const core::Fd& fd, void* to, std::size_t count, std::uint64_t at, Disk& disk) {
    for (auto* out = static_cast<std::uint8_t*>(to); count > 0;) {
        const ssize_t got = disk.pread(fd.get(), out, count, static_cast<off_t>(at));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail("cannot read the work folder");
        if (got == 0) return false;
        out += got;
        at += static_cast<std::uint64_t>(got);
        count -= static_cast<std::size_t>(got);
    }
    return true;
}

std::string read_text(const std::filesystem::path& path, Disk& disk) {
    const core::Fd fd = open_to_read(path, disk);
    std::string text(size_of(fd, disk), '\0');
    if (!read_at(fd, text.data(), text.size(), 0, disk)) fail("cannot read " + path.string());
    return text;
}

void make_folders(const std::filesystem::path& path, mode_t mode, Disk& disk) {
    if (path.empty() || exists(path, disk)) return;
    make_folders(path.parent_path(), mode, disk);
    if (disk.mkdir(path.c_str(), mode) && errno != EEXIST) fail("cannot create the folder " + path.string());
}

}  // namespace staging
