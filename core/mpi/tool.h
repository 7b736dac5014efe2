#pragma once
#include <functional>

#include "core/base/tool.h"
#include "core/mpi/comm.h"

namespace core {

// run_tool for MPI programs: flags are parsed before MPI starts, so that --help works on a login node. A rank
// that fails alone aborts the others; after an agreed failure every rank returns the same code. What --json
// promises, rank 0 prints (leave_json_to_rank_0).
int run_mpi_tool(CLI::App& app, int argc, char** argv, const std::function<void(const Comm& world)>& work,
                 Threads threads = Threads::multiple);

}  // namespace core
