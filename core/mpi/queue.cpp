#include "core/mpi/queue.h"

namespace core {

WorkQueue::WorkQueue(const Comm& comm, std::int64_t count) : count_(count) {
    const MPI_Aint bytes = comm.is_root() ? sizeof *counter_ : 0;
    check_mpi(MPI_Win_allocate(bytes, sizeof *counter_, MPI_INFO_NULL, comm.get(), &counter_, &window_),
              "make a work queue");
    check_mpi(MPI_Win_set_errhandler(window_, MPI_ERRORS_RETURN), "set the error handler of a work queue");
    check_mpi(MPI_Win_lock_all(0, window_), "open a work queue");
    if (comm.is_root()) *counter_ = 0;
    check_mpi(MPI_Win_sync(window_), "start a work queue");
    comm.barrier();
}

WorkQueue::~WorkQueue() {
    if (window_ == MPI_WIN_NULL) return;
    MPI_Win_unlock_all(window_);
    MPI_Win_free(&window_);
}

std::optional<std::int64_t> WorkQueue::next() {
    const std::int64_t one = 1;
    std::int64_t mine = 0;
    check_mpi(MPI_Fetch_and_op(&one, &mine, MPI_INT64_T, 0, 0, MPI_SUM, window_), "take work");
    check_mpi(MPI_Win_flush(0, window_), "take work");
    if (mine >= count_) return std::nullopt;
    return mine;
}

}  // namespace core
