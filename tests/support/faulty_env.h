#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "core/base/env.h"

namespace test {

enum class Failing { once, for_good };

// An operating system whose n-th call fails (or all from there: a process that is killed does nothing more), and that
// can lose power: of every file that was opened for writing through it, what was not flushed is gone then. n = 0: none
// fails.
template <class Base>
class Faulty : public Base {
    using Env = core::Env;

public:
    explicit Faulty(int nth_fails = 0, int error = EIO, Failing failing = Failing::once)
        : nth_(nth_fails), error_(error), failing_(failing) {}

    int calls() const { return calls_; }  // that could have failed

    int open(const char* path, int flags, mode_t mode) override {
        if (fails()) return -1;
        const int fd = Env::open(path, flags, mode);
        if (fd >= 0 && (flags & O_ACCMODE) != O_RDONLY) {
            names_[fd] = path;
            flushed_.try_emplace(path, bytes_of(path));
        } else {
            names_.erase(fd);
        }
        return fd;
    }
    ssize_t write(int fd, const void* bytes, std::size_t size) override {
        return fails() ? -1 : Env::write(fd, bytes, size);
    }
    // Half of it is written before it fails: a full disk takes what fits.
    ssize_t pwrite(int fd, const void* bytes, std::size_t size, off_t at) override {
        if (!fails()) return Env::pwrite(fd, bytes, size, at);
        const int error = errno;
        (void)Env::pwrite(fd, bytes, size / 2, at);
        errno = error;
        return -1;
    }
    int ftruncate(int fd, off_t size) override { return fails() ? -1 : Env::ftruncate(fd, size); }
    int fsync(int fd) override { return flush(fd) ? -1 : Env::fsync(fd); }
    int fdatasync(int fd) override { return flush(fd) ? -1 : Env::fdatasync(fd); }
    int rename(const char* from, const char* to) override {
        if (fails()) return -1;
        const int result = Env::rename(from, to);
        if (result == 0) {  // with the folder's flush to come; a journal keeps the two names apart
            flushed_[to] = flushed_[from];
            flushed_.erase(from);
            for (auto& [fd, name] : names_)
                if (name == from) name = to;
        }
        return result;
    }
    int link(const char* from, const char* to) override {
        if (fails()) return -1;
        const int result = Env::link(from, to);
        if (result == 0) flushed_[to] = flushed_[from];
        return result;
    }
    int unlink(const char* path) override {
        flushed_.erase(path);
        return Env::unlink(path);
    }

    // Every file as a disk has it that lost power now: what was flushed, and nothing after.
    void lose_power() const {
        for (const auto& [path, bytes] : flushed_)
            if (std::filesystem::exists(path))
                std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    }

protected:
    bool fails() {
        ++calls_;
        if (nth_ == 0 || calls_ < nth_ || (calls_ > nth_ && failing_ == Failing::once)) return false;
        errno = error_;
        return true;
    }

private:
    bool flush(int fd) {
        if (fails()) return true;
        if (const auto name = names_.find(fd); name != names_.end())
            flushed_[name->second] = bytes_of(name->second);
        return false;
    }
    static std::string bytes_of(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    }

    int nth_, error_, calls_ = 0;
    Failing failing_;
    std::map<int, std::string> names_;
    std::map<std::string, std::string> flushed_;
};
using FaultyEnv = Faulty<core::Env>;

}  // namespace test
