#include "core/base/env.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/time.h"

namespace core {

int Env::open(const char* path, int flags, mode_t mode) {
    return ::open(path, flags, mode);
}
ssize_t Env::write(int fd, const void* bytes, std::size_t size) {
    return ::write(fd, bytes, size);
}
ssize_t Env::pwrite(int fd, const void* bytes, std::size_t size, off_t at) {
    return ::pwrite(fd, bytes, size, at);
}
int Env::ftruncate(int fd, off_t size) {
    return ::ftruncate(fd, size);
}
int Env::fsync(int fd) {
    return ::fsync(fd);
}
int Env::fdatasync(int fd) {
    return ::fdatasync(fd);
}
int Env::rename(const char* from, const char* to) {
    return ::rename(from, to);
}
int Env::link(const char* from, const char* to) {
    return ::link(from, to);
}
int Env::unlink(const char* path) {
    return ::unlink(path);
}
std::int64_t Env::now() {
    return now_seconds();
}
Env& Env::real() {
    static Env env;
    return env;
}

}  // namespace core
