#pragma once
#include "core/mpi/comm.h"

namespace trainer {

// What one rank wants, all ranks do at the same place: flags that any rank raises, or-ed over the ranks.
// Asked where the ranks have just met (after the gradients), or do not wait for each other long (between
// micro-batches), so that it costs a few microseconds.
class Agreement {
public:
    enum Flag : unsigned { kStop = 1, kSave = 2, kFailed = 4, kNotFinite = 8 };

    explicit Agreement(const core::Comm& parent) : comm_(parent.get()) {}

    // Collective. The flags of all ranks.
    unsigned reach(unsigned mine) {
        unsigned all = 0;
        core::check_mpi(MPI_Allreduce(&mine, &all, 1, MPI_UNSIGNED, MPI_BOR, comm_.get()),
                        "agree on what comes next");
        return all;
    }

private:
    core::Comm comm_;
};

}  // namespace trainer
