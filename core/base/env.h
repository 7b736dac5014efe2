#pragma once
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace core {

// What the ledger, shards and atomic files ask of the operating system, so that a test can make any one call fail,
// lose what was not flushed, or move the clock. Calls are those of POSIX: a negative result, and errno.
class Env {
public:
    virtual ~Env() = default;
    virtual int open(const char* path, int flags, mode_t mode);
    virtual ssize_t write(int fd, const void* bytes, std::size_t size);
    virtual ssize_t pwrite(int fd, const void* bytes, std::size_t size, off_t at);
    virtual int ftruncate(int fd, off_t size);
    virtual int fsync(int fd);
    virtual int fdatasync(int fd);
    virtual int rename(const char* from, const char* to);
    virtual int link(const char* from, const char* to);
    virtual int unlink(const char* path);
    virtual std::int64_t now();  // seconds since 1970

    static Env& real();
};

}  // namespace core
