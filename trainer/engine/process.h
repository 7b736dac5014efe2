#pragma once
#include <string>
#include <utility>
#include <vector>

#include "core/mpi/comm.h"
#include "trainer/engine/step.h"

namespace trainer {

// Collective. The ranks of `comm` that share this rank's node, in their order.
core::Comm ranks_of_node(const core::Comm& comm);

// Which cores a process may run on, one entry per core of the node.
using Cores = std::vector<bool>;

// How many threads the rank with `ranks[mine]` gets: its cores, each divided by the ranks of the node that
// share it. Whoever binds ranks (Slurm, mpirun) has divided already; whoever does not gives all the same
// cores.
int threads_for(const std::vector<Cores>& ranks, std::size_t mine);

// Collective; before data are read and a GPU is touched. No dump of what is decrypted, freed memory kept for the next
// step, and as many threads as there are cores for this rank: one if `reproducible`, OMP_NUM_THREADS where that is
// set; `readers` of each loader, or reader_threads_for those cores if that is 0. On GPUs float32 means float32, unless `precision` says tf32; if not `reproducible`, cuDNN tries its algorithms
// and takes the fastest.
void prepare_process(bool reproducible, Precision precision, std::int64_t readers, const core::Comm& comm);

// While this lives, cuDNN takes the algorithm that it always takes: what a model says of a sample must not depend on
// which rank, or which run, found another one faster.
class FixedAlgorithms {
public:
    FixedAlgorithms();
    FixedAlgorithms(const FixedAlgorithms&) = delete;
    FixedAlgorithms& operator=(const FixedAlgorithms&) = delete;
    ~FixedAlgorithms();

private:
    bool tried_;
};

// Tells the error and aborts all ranks at once, as run_mpi_tool would after unwinding. For a rank that
// fails alone: what it would destroy waits for ranks that wait for it.
[[noreturn]] void end_job(const core::Comm& comm, const core::Error& error);

// Runs `work`; what it throws and not every rank does ends the job.
template <class Work>
auto or_end_job(const core::Comm& comm, Work&& work) {
    try {
        return std::forward<Work>(work)();
    } catch (const core::AgreedError&) {
        throw;
    } catch (...) {
        end_job(comm, core::caught());
    }
}

}  // namespace trainer
