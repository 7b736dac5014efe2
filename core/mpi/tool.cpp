#include "core/mpi/tool.h"

#include <optional>

#include "core/base/event.h"

namespace core {

int run_mpi_tool(CLI::App& app, int argc, char** argv, const std::function<void(const Comm& world)>& work,
                 Threads threads) {
    leave_json_to_rank_0();
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
