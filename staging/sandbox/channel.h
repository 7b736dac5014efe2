#pragma once
#include <sys/types.h>

#include <cstdint>
#include <span>

#include "core/base/bytes.h"
#include "core/base/files.h"

// Parsers run in a process of their own that holds nothing worth stealing: no keys, no MPI, no network, no
// files but the one it was handed, and a system call list of reading, memory and answering. Whatever a file
// does to it, the program that started it goes on with a fresh worker. What is asked and answered is the
// caller's affair (staging/read): here is the process, its memory, and its end.
namespace staging {

// Shared memory between a program and one worker: messages, then room for bulk data (pixels).
constexpr std::size_t kMessageBytes = 32 << 20;

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
    std::span<std::uint8_t> bulk() const noexcept { return {data_ + kMessageBytes, size_ - kMessageBytes}; }
    // Gives the pages of bulk data beyond the first `keep` bytes back to the kernel.
    void release_bulk(std::size_t keep) noexcept;

private:
    void map();
    core::Fd fd_;
    std::size_t size_;
    std::uint8_t* data_ = nullptr;
};

// What a worker may spend.
struct Budget {
    std::uint64_t bulk_bytes = 0;    // shared room beside the messages
    std::uint64_t memory_bytes = 0;  // of its own, beyond what the program had mapped when it was forked
    double seconds = 20;             // of processor time, per question
};

// The socket carries these two, nothing of a file; a file's descriptor travels with the question. What `code`
// means is between the caller and its `Serve` function.
struct Question {
    std::uint32_t code = 0;
    std::uint32_t message_bytes = 0;  // in shared memory
    std::uint64_t number = 0;         // the size of the file when it was opened
};
struct Reply {
    std::uint64_t message_bytes = 0;  // in shared memory
};

// A worker's part, in its own process, inside the sandbox: answers questions until there are no more.
class Answers {
public:
    virtual ~Answers() = default;
    // Writes into the region; returns the bytes of its message. What it throws ends the worker.
    virtual std::size_t answer(const Question& question, core::Fd file) = 0;
};
using MakeAnswers = Answers* (*)(const Region& region);
// What libraries must do while files may still be opened; once, in the fork server, whose workers inherit it.
using Prepare = void (*)() noexcept;

// A small process, forked while this one is still empty, that forks workers later: after MPI_Init, fork is
// unsafe, and a late fork would copy keys. It ends when this object dies or the program does.
class ForkServer {
public:
    // Does not throw, since main() has no handler yet: if it failed, the first worker says so.
    explicit ForkServer(MakeAnswers make, Prepare prepare = nullptr) noexcept;
    ForkServer(const ForkServer&) = delete;
    ForkServer& operator=(const ForkServer&) = delete;
    ~ForkServer();

private:
    friend class Channel;
    core::Fd control_;
    pid_t pid_ = -1;
    const char* failed_ = nullptr;  // doing what
};

// How a question ended.
enum class Ended : std::uint8_t {
    answered,
    died,    // it crashed, or did what its sandbox forbids: its own doing, so the file's fault
    killed,  // by SIGKILL, which it cannot send itself: the machine's fault (out of memory) or somebody's
    spent,   // more processor time than its budget: the file's fault
    stuck,   // no answer and no processor time used: the machine's fault (a dead file system)
};

// A worker that is asked one thing at a time, and replaced when it died or had to be killed.
class Channel {
public:
    // Throws Error(system) if no worker can be started. `configuration` is the first question's message: each
    // new worker is asked it with code 0 before anything else.
    Channel(const ForkServer& server, core::Bytes configuration, const Budget& budget);
    ~Channel();

    struct Answer {
        Ended ended = Ended::answered;
        std::uint64_t message_bytes = 0;
    };
    // `file` is -1 where none travels. Starts a worker if there is none; throws Error(system) if it cannot.
    Answer ask(std::uint32_t code, int file = -1, std::uint64_t number = 0);

    // Ends the worker; the next question starts another.
    void replace() noexcept { kill(); }

    Region& region() noexcept { return region_; }
    std::uint64_t replaced() const noexcept { return started_ > 0 ? started_ - 1 : 0; }

private:
    void start();
    Ended start_one();
    void kill() noexcept;
    Ended how_it_ended() noexcept;
    Answer wait();

    const ForkServer& server_;
    const core::Bytes configuration_;
    const Budget budget_;
    Region region_;
    core::Fd socket_, process_;  // process_: a pidfd
    pid_t pid_ = -1;
    std::uint64_t started_ = 0;
};

// What the program tells the fork server, with the worker's end of the socket and the region.
struct Start {
    std::uint64_t region_bytes, memory_bytes;
    pid_t ended = 0;  // not 0: no worker is wanted, but how this one ended
};
struct Started {
    pid_t pid;       // -1: it could not; else a pidfd travels with it
    int status = 0;  // of one that ended (waitpid)
};

// The worker's whole life, in its own process.
[[noreturn]] void serve(int socket, core::Fd region, const Start& start, pid_t fork_server, MakeAnswers make);

}  // namespace staging
