#pragma once
#include "core/mpi/comm.h"

namespace trainer {

// What one rank wants, all ranks do at the same step: flags that any rank raises, or-ed over the ranks while
// the step is computed, so that agreeing costs no waiting.
//   agreement.post(mine);  ... the step ...  const unsigned all = agreement.wait();
class Agreement {
public:
    enum Flag : unsigned { kStop = 1, kSave = 2, kFailed = 4 };

    explicit Agreement(const core::Comm& parent) : comm_(parent.get()) {}
    Agreement(const Agreement&) = delete;
    Agreement& operator=(const Agreement&) = delete;
    ~Agreement() {
        // An exception between post and wait: MPI is about to be aborted, or every rank waits here alike.
        if (request_ != MPI_REQUEST_NULL) MPI_Wait(&request_, MPI_STATUS_IGNORE);
    }

    void post(unsigned flags) {
        mine_ = flags;
        core::check_mpi(MPI_Iallreduce(&mine_, &all_, 1, MPI_UNSIGNED, MPI_BOR, comm_.get(), &request_),
                        "agree on what comes next");
    }
    unsigned wait() {
        core::check_mpi(MPI_Wait(&request_, MPI_STATUS_IGNORE), "agree on what comes next");
        return all_;
    }

private:
    core::Comm comm_;
    unsigned mine_ = 0, all_ = 0;
    MPI_Request request_ = MPI_REQUEST_NULL;
};

}  // namespace trainer
