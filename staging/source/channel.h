#pragma once
#include <cstdint>
#include <optional>

#include "core/base/files.h"
#include "staging/source/messages.h"
#include "staging/source/worker.h"

namespace staging {

// Shared memory of a fixed size that neither side can shrink under the other.
class Region {
public:
    explicit Region(std::size_t bytes);      // makes it; throws Error(system)
    Region(core::Fd fd, std::size_t bytes);  // maps what was handed over
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;
    ~Region();
    int fd() const noexcept { return fd_.get(); }
    std::size_t size() const noexcept { return size_; }
    std::span<std::uint8_t> messages() const noexcept { return {data_, kMessageBytes}; }
    std::span<std::uint8_t> pixels() const noexcept { return {data_ + kMessageBytes, size_ - kMessageBytes}; }
    // Gives the pages of pixels beyond the first `keep` bytes back to the kernel.
    void release_pixels(std::size_t keep) noexcept;

private:
    void map();
    core::Fd fd_;
    std::size_t size_;
    std::uint8_t* data_ = nullptr;
};

// A worker that is asked one thing at a time, and replaced when it died or had to be killed.
class Channel {
public:
    Channel(const ForkServer& server, const Wanted& wanted, const Limits& limits);
    ~Channel();

    struct Answer {
        Reason reason = Reason::none;  // worker_died or time_limit: there is no message
        std::uint64_t message_bytes = 0;
    };
    // `file` is -1 where none travels. Starts a worker if there is none; throws Error(system) if it cannot.
    Answer ask(Ask what, int file = -1, std::uint64_t file_bytes = 0);

    // Ends the worker; the next question starts another.
    void replace() noexcept { kill(); }

    Region& region() noexcept { return region_; }
    std::uint64_t replaced() const noexcept { return started_ > 0 ? started_ - 1 : 0; }

private:
    void start();
    void kill() noexcept;
    Answer wait();

    const ForkServer& server_;
    const Wanted& wanted_;
    const Limits limits_;
    Region region_;
    core::Fd socket_, process_;  // process_: a pidfd
    pid_t pid_ = -1;
    std::uint64_t started_ = 0;
};

// What the program tells the fork server, with the worker's end of the socket and the region.
struct Start {
    std::uint64_t region_bytes, memory_bytes;
};
struct Started {
    pid_t pid;  // -1: it could not; else a pidfd travels with it
};

// The worker's whole life, in its own process.
[[noreturn]] void serve(int socket, core::Fd region, const Start& start, pid_t fork_server);

}  // namespace staging
