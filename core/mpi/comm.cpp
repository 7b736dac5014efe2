#include "core/mpi/comm.h"

#include <algorithm>
#include <climits>
#include <new>
#include <system_error>

namespace core {

void check_mpi(int code, const char* doing) {
    if (code == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING];
    int length = 0;
    if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) length = 0;
    throw Error(Fault::system, std::string("MPI: cannot ") + doing + ": " +
                                   std::string(text, static_cast<std::size_t>(length)));
}

MpiSession::MpiSession(int* argc, char*** argv, Threads threads) {
    const int wanted = threads == Threads::multiple ? MPI_THREAD_MULTIPLE : MPI_THREAD_FUNNELED;
    int provided = 0;
    check_mpi(MPI_Init_thread(argc, argv, wanted, &provided), "start");
    if (provided < wanted)
        throw Error(Fault::system,
                    std::string("MPI: this library lacks ") +
                        (threads == Threads::multiple ? "MPI_THREAD_MULTIPLE" : "MPI_THREAD_FUNNELED"));
}

MpiSession::~MpiSession() {
    int done = 0;
    if (MPI_Finalized(&done) == MPI_SUCCESS && !done) MPI_Finalize();
}

Comm::Comm(MPI_Comm parent) {
    check_mpi(MPI_Comm_dup(parent, &comm_), "duplicate a communicator");
    check_mpi(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "set the error handler");
    check_mpi(MPI_Comm_rank(comm_, &rank_), "tell the rank");
    check_mpi(MPI_Comm_size(comm_, &size_), "tell the number of ranks");
}

Comm::~Comm() {
    if (comm_ != MPI_COMM_NULL) MPI_Comm_free(&comm_);
}

void Comm::barrier() const {
    check_mpi(MPI_Barrier(comm_), "wait for all ranks");
}

void Comm::broadcast(Bytes& bytes, int root) const {
    std::uint64_t size = bytes.size();
    check_mpi(MPI_Bcast(&size, 1, MPI_UINT64_T, root, comm_), "broadcast a length");
    bytes.resize(size);
    for (std::uint64_t done = 0; done < size;) {  // counts are int
        const int part = static_cast<int>(std::min<std::uint64_t>(size - done, INT_MAX));
        check_mpi(MPI_Bcast(bytes.data() + done, part, MPI_BYTE, root, comm_), "broadcast");
        done += static_cast<std::uint64_t>(part);
    }
}

void Comm::join(std::span<std::uint8_t> bytes, MPI_Op how) const {
    constexpr std::size_t kPiece = 1 << 20;
    for (std::size_t at = 0; at < bytes.size(); at += kPiece)
        check_mpi(
            MPI_Allreduce(MPI_IN_PLACE, bytes.data() + at,
                          static_cast<int>(std::min(bytes.size() - at, kPiece)), MPI_UINT8_T, how, comm_),
            "join bits");
}

std::int64_t Comm::sum(std::int64_t mine) const {
    std::int64_t all = 0;
    check_mpi(MPI_Allreduce(&mine, &all, 1, MPI_INT64_T, MPI_SUM, comm_), "sum over ranks");
    return all;
}

std::int64_t Comm::max(std::int64_t mine) const {
    std::int64_t all = 0;
    check_mpi(MPI_Allreduce(&mine, &all, 1, MPI_INT64_T, MPI_MAX, comm_), "take the maximum over ranks");
    return all;
}

double Comm::max_real(double mine) const {
    double all = 0;
    check_mpi(MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_MAX, comm_), "take the maximum over ranks");
    return all;
}

std::vector<Bytes> Comm::gather(ByteView mine, int root) const {
    constexpr int kTag = 1;
    std::uint64_t size = mine.size();
    std::vector<std::uint64_t> sizes(rank_ == root ? static_cast<std::size_t>(size_) : 0);
    check_mpi(MPI_Gather(&size, 1, MPI_UINT64_T, sizes.data(), 1, MPI_UINT64_T, root, comm_),
              "gather lengths");
    std::vector<Bytes> all(sizes.size());
    const auto parts = [](std::uint64_t total, auto&& each) {
        for (std::uint64_t done = 0; done < total;) {
            const int part = static_cast<int>(std::min<std::uint64_t>(total - done, INT_MAX));
            each(done, part);
            done += static_cast<std::uint64_t>(part);
        }
    };
    if (rank_ != root) {
        parts(size, [&](std::uint64_t at, int part) {
            check_mpi(MPI_Send(mine.data() + at, part, MPI_BYTE, root, kTag, comm_), "send to the root");
        });
        return all;
    }
    for (int rank = 0; rank < size_; ++rank) {
        Bytes& into = all[static_cast<std::size_t>(rank)];
        if (rank == root) {
            into.assign(mine.begin(), mine.end());
            continue;
        }
        into.resize(sizes[static_cast<std::size_t>(rank)]);
        parts(into.size(), [&](std::uint64_t at, int part) {
            check_mpi(MPI_Recv(into.data() + at, part, MPI_BYTE, rank, kTag, comm_, MPI_STATUS_IGNORE),
                      "receive at the root");
        });
    }
    return all;
}

Error caught() {
    try {
        throw;
    } catch (const Error& e) {
        return e;
    } catch (const std::system_error& e) {
        return Error(Fault::system, "the operating system refused: " + e.code().message());
    } catch (const std::bad_alloc&) {
        return Error(Fault::system, "not enough memory");
    } catch (const std::exception& e) {
        return Error(Fault::bug, e.what());
    } catch (...) {
        return Error(Fault::bug, "unknown failure");
    }
}

void agree(const Comm& comm, const std::optional<Error>& mine) {
    int failing = mine ? comm.rank() : INT_MAX;
    int first = INT_MAX;
    check_mpi(MPI_Allreduce(&failing, &first, 1, MPI_INT, MPI_MIN, comm.get()), "agree on a failure");
    if (first == INT_MAX) return;
    Bytes message;
    if (comm.rank() == first) {
        message.push_back(static_cast<std::uint8_t>(mine->fault()));
        const ByteView what = view(mine->what());
        message.insert(message.end(), what.begin(), what.end());
    }
    comm.broadcast(message, first);
    throw AgreedError(static_cast<Fault>(message.at(0)), std::string(text(ByteView(message).subspan(1))));
}

}  // namespace core
