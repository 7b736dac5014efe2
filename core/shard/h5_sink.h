#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/env.h"
#include "core/shard/h5.h"

namespace core {

// The file under a shard that HDF5 writes: a driver of our own, which never tells HDF5 that a write failed.
// HDF5 1.10 cannot close a file that it could not flush, and follows dead pointers when the process exits; so
// the first failure is kept here, nothing more is written to the disk, and HDF5 ends in peace. Whoever writes
// asks check() after each call. It also sees where each chunk comes to lie, which HDF5 1.10 tells only by
// walking all chunks. One thread at a time.
class H5Sink {
public:
    // `fd` is an empty file, open for reading and writing; it and `env` must outlive the HDF5 file. `file` is what it
    // will be called, for people.
    H5Sink(int fd, Env& env, std::string file) : fd_(fd), env_(env), file_(std::move(file)) {}
    H5Sink(const H5Sink&) = delete;

    // The new HDF5 file. `access` gets this driver.
    H5File create(const H5Properties& creation, const H5Properties& access);

    // Throws Error(system) if anything could not be written or read so far.
    void check() const;
    bool failed() const noexcept { return error_ != 0; }

    // From here on, looks for the write of exactly these bytes.
    void watch(const void* bytes, std::size_t size) noexcept;
    // Where they were written. Throws Error(bug) if they were not, Error(system) as check().
    std::uint64_t watched_at() const;

    // What the driver does; HDF5 calls it.
    void write(bool metadata, std::uint64_t at, const void* bytes, std::size_t size) noexcept;
    void read(std::uint64_t at, void* bytes, std::size_t size) noexcept;
    void truncate(std::uint64_t size) noexcept;
    std::uint64_t end() const noexcept { return end_; }

private:
    void fail(int error) noexcept;
    int fd_;
    Env& env_;
    std::string file_;
    int error_ = 0;  // the first failure's errno
    std::uint64_t end_ = 0;
    const void* watched_ = nullptr;
    std::size_t watched_bytes_ = 0;
    std::uint64_t found_ = UINT64_MAX;
    std::map<std::uint64_t, Bytes> kept_;  // structure that came after the failure, for HDF5 to read back
};

}  // namespace core
