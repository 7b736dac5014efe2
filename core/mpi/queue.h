#pragma once
#include <cstdint>
#include <optional>

#include "core/mpi/comm.h"

namespace core {

// Work from one queue: every item of [0, count) is handed to exactly one rank, in order of asking, so that
// one slow item does not hold the rest. A one-sided counter on rank 0 (MPI_Fetch_and_op): no rank serves the
// others. Collective to make and to destroy; `next` is not.
class WorkQueue {
public:
    WorkQueue(const Comm& comm, std::int64_t count);
    WorkQueue(const WorkQueue&) = delete;
    WorkQueue& operator=(const WorkQueue&) = delete;
    ~WorkQueue();
    std::optional<std::int64_t> next();  // nothing when all have been handed out

private:
    std::int64_t count_;
    std::int64_t* counter_ = nullptr;
    MPI_Win window_ = MPI_WIN_NULL;
};

}  // namespace core
