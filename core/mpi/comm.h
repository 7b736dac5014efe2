#pragma once
#include <mpi.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace core {

// Throws Error(system) "MPI: cannot <doing>: ..." unless `code` is MPI_SUCCESS.
void check_mpi(int code, const char* doing);

// What a program's threads do with MPI: all of them call it, or only the one that started it does.
enum class Threads { multiple, funneled };

// Starts MPI for what `threads` do, and finalises it. One per program, in main, before any Comm.
class MpiSession {
public:
    MpiSession(int* argc, char*** argv, Threads threads = Threads::multiple);
    MpiSession(const MpiSession&) = delete;
    MpiSession& operator=(const MpiSession&) = delete;
    ~MpiSession();
};

// A duplicate of `parent` that returns error codes instead of aborting. Collective to make and to destroy.
class Comm {
public:
    explicit Comm(MPI_Comm parent);
    Comm(Comm&& other) noexcept
        : comm_(std::exchange(other.comm_, MPI_COMM_NULL)), rank_(other.rank_), size_(other.size_) {}
    Comm(const Comm&) = delete;
    Comm& operator=(const Comm&) = delete;
    ~Comm();
    MPI_Comm get() const noexcept { return comm_; }
    int rank() const noexcept { return rank_; }
    int size() const noexcept { return size_; }
    bool is_root() const noexcept { return rank_ == 0; }

    // All collective: every rank calls them in the same order.
    void barrier() const;
    // Every rank's bytes, equally many, joined bit by bit: digests in any order; sets.
    void exclusive_or(std::span<std::uint8_t> bytes) const { join(bytes, MPI_BXOR); }
    void unite(std::span<std::uint8_t> bytes) const { join(bytes, MPI_BOR); }
    void broadcast(Bytes& bytes, int root = 0) const;  // resizes on the other ranks; any length
    std::int64_t sum(std::int64_t mine) const;
    std::int64_t max(std::int64_t mine) const;
    double max_real(double mine) const;
    // Every rank's bytes on `root`, in rank order; empty elsewhere. Any length.
    std::vector<Bytes> gather(ByteView mine, int root = 0) const;

private:
    void join(std::span<std::uint8_t> bytes, MPI_Op how) const;
    MPI_Comm comm_;
    int rank_ = 0, size_ = 1;
};

// What `agree` throws: every rank throws it, so that a program may end in order instead of aborting.
class AgreedError : public Error {
public:
    using Error::Error;
};

// Collective. If any rank passes a fault, every rank throws the same AgreedError, the lowest failing rank's,
// so that no rank is left waiting in a later collective.
void agree(const Comm& comm, const std::optional<Error>& mine);

// What is being handled, inside a catch: an Error as it is, the operating system's refusal as Fault::system (its
// code alone: a text may hold paths), anything else as Fault::bug.
Error caught();

// Collective. Runs `work` and agrees on the outcome.
template <class Work>
void together(const Comm& comm, Work&& work) {
    std::optional<Error> mine;
    try {
        std::forward<Work>(work)();
    } catch (...) {
        mine = caught();
    }
    agree(comm, mine);
}

}  // namespace core
