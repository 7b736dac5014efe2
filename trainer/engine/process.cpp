#include "trainer/engine/process.h"

#include <malloc.h>
#include <sched.h>
#include <sys/resource.h>

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <climits>
#include <cstdlib>

#include "core/base/event.h"
#include "core/base/tool.h"
#include "trainer/loader/threads.h"

namespace trainer {
namespace {

// Every rank's cores, of the ranks of this node; `mine` becomes this rank's place among them.
std::vector<Cores> cores_of_node(const core::Comm& comm, std::size_t& mine) {
    const core::Comm node = ranks_of_node(comm);
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) CPU_SET(0, &set);
    std::vector<cpu_set_t> sets(static_cast<std::size_t>(node.size()));
    core::check_mpi(MPI_Allgather(&set, sizeof set, MPI_BYTE, sets.data(), sizeof set, MPI_BYTE, node.get()),
                    "tell which cores are whose");
    std::vector<Cores> out;
    for (const cpu_set_t& each : sets) {
        Cores cores(CPU_SETSIZE);
        for (std::size_t i = 0; i < cores.size(); ++i) cores[i] = CPU_ISSET(i, &each);
        out.push_back(std::move(cores));
    }
    mine = static_cast<std::size_t>(node.rank());
    return out;
}

}  // namespace

core::Comm ranks_of_node(const core::Comm& comm) {
    MPI_Comm split = MPI_COMM_NULL;
    core::check_mpi(MPI_Comm_split_type(comm.get(), MPI_COMM_TYPE_SHARED, comm.rank(), MPI_INFO_NULL, &split),
                    "find the ranks of this node");
    core::Comm node(split);
    MPI_Comm_free(&split);
    return node;
}

int threads_for(const std::vector<Cores>& ranks, std::size_t mine) {
    double share = 0;
    for (std::size_t core = 0; core < ranks[mine].size(); ++core) {
        if (!ranks[mine][core]) continue;
        const auto users =
            std::count_if(ranks.begin(), ranks.end(), [&](const Cores& each) { return each[core]; });
        share += 1.0 / static_cast<double>(users);
    }
    return std::max(1, static_cast<int>(share + 1e-9));
}

void prepare_process(bool reproducible, Precision precision, std::int64_t readers, const core::Comm& comm) {
    // Keep freed activations for the next step in place of a storm of page faults: 1.15 times the speed.
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    // No dump of what was decrypted. (Not PR_SET_DUMPABLE: MPI's copies between processes of a node need it.)
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);

    std::size_t mine = 0;
    const auto ranks = cores_of_node(comm, mine);
    const int cores = threads_for(ranks, mine);
    set_reader_threads(readers > 0 ? static_cast<int>(readers) : reader_threads_for(cores));
    const char* said = std::getenv("OMP_NUM_THREADS");
    const int wanted = said ? std::atoi(said) : 0;
    // Sums in parallel depend on the number of threads.
    at::set_num_threads(reproducible ? 1 : wanted > 0 ? wanted : cores);
    at::Context& torch = at::globalContext();
    if (reproducible) {
        setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8",
               0);  // without it cuBLAS promises nothing, and PyTorch refuses
        torch.setDeterministicAlgorithms(true, /*warn_only=*/false);
    }
    torch.setBenchmarkCuDNN(!reproducible);
    torch.setAllowTF32CuDNN(precision == Precision::tf32);
    torch.setAllowTF32CuBLAS(precision == Precision::tf32);
}

FixedAlgorithms::FixedAlgorithms() : tried_(at::globalContext().benchmarkCuDNN()) {
    at::globalContext().setBenchmarkCuDNN(false);
}

FixedAlgorithms::~FixedAlgorithms() {
    at::globalContext().setBenchmarkCuDNN(tried_);
}

void end_job(const core::Comm& comm, const core::Error& error) {
    core::Event("error", core::name_of(error.fault())).with("rank", comm.rank()).with("text", error.what());
    MPI_Abort(comm.get(), static_cast<int>(error.fault()));
    std::abort();
}

}  // namespace trainer
