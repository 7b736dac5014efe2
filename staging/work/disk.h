#pragma once
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/env.h"
#include "core/base/files.h"

namespace staging {

// What the work folder asks of the operating system, so that a test can make any one call fail (Env), and that of
// reading and looking around. A negative result, and errno.
class Disk : public core::Env {
public:
    virtual ssize_t pread(int fd, void* bytes, std::size_t size, off_t at);
    virtual int fstat(int fd, struct stat* status);
    virtual int fstatat(int folder, const char* name, struct stat* status, int flags);
    virtual int faccessat(int folder, const char* name, int mode, int flags);
    // Adds the names of a folder's entries but its folders.
    virtual int names(const char* folder, std::vector<std::string>* out);
    virtual int mkdir(const char* path, mode_t mode);
    virtual int rmdir(const char* path);

    static Disk& real();
};

// Each throws Error(system), and names a place, never a file of a delivery.
bool exists(const std::filesystem::path& path, Disk& disk);
// Of the folder's entries that are no folders; empty if there is no such folder.
std::vector<std::string> names_in(const std::filesystem::path& folder, Disk& disk);
void remove_file(const std::filesystem::path& path, Disk& disk);  // or it is gone already
core::Fd open_to_read(const std::filesystem::path& path, Disk& disk);
std::uint64_t size_of(const core::Fd& fd, Disk& disk);
// `count` bytes from `at`; false if the file ends before.
bool read_at(const core::Fd& fd, void* to, std::size_t count, std::uint64_t at, Disk& disk);
std::string read_text(const std::filesystem::path& path, Disk& disk);
void make_folders(const std::filesystem::path& path, mode_t mode, Disk& disk);  // mkdir -p

}  // namespace staging
