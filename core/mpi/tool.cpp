#include "core/mpi/tool.h"

#include <cstdlib>
#include <optional>
#include <string_view>

#include "core/base/event.h"

namespace core {
namespace {

// Before MPI starts: a rank's number as its launcher says it.
bool is_other_rank() {
    for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"})
        if (const char* rank = std::getenv(name)) return std::string_view(rank) != "0";
    return false;
}

}  // namespace

int run_mpi_tool(CLI::App& app, int argc, char** argv, const std::function<void(const Comm& world)>& work,
                 Threads threads) {
    if (is_other_rank()) leave_json_to_rank_0();
    std::optional<MpiSession> session;
    int agreed = 0;  // a failure that every rank has, and rank 0 tells
    const int code = run_tool(
        app, argc, argv,
        [&] {
            session.emplace(&argc, &argv, threads);
            const Comm world(MPI_COMM_WORLD);
            if (!world.is_root()) set_quiet(true);  // rank 0 reports progress, any rank reports trouble
            try {
                work(world);
            } catch (const AgreedError& e) {
                agreed = static_cast<int>(e.fault());
                if (world.is_root()) throw;
            }
        },
        [&](int failure) {
            if (session && !agreed) MPI_Abort(MPI_COMM_WORLD, failure);
        });
    return code ? code : agreed;
}

}  // namespace core
