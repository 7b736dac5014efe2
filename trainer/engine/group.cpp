#include "trainer/engine/group.h"

#include <ATen/Context.h>

#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "core/base/event.h"
#include "trainer/engine/mpi_backend.h"

namespace trainer {
namespace {

// This rank's number among the ranks of its node.
int local_rank(const core::Comm& comm) {
    MPI_Comm node = MPI_COMM_NULL;
    core::check_mpi(MPI_Comm_split_type(comm.get(), MPI_COMM_TYPE_SHARED, comm.rank(), MPI_INFO_NULL, &node),
                    "find the ranks of this node");
    int rank = 0;
    MPI_Comm_rank(node, &rank);
    MPI_Comm_free(&node);
    return rank;
}

}  // namespace

c10::Device choose_device(const core::Comm& comm, const std::string& wanted) {
    core::together(comm, [&] {
        if (wanted != "auto" && wanted != "cpu" && wanted != "cuda")
            throw core::Error(core::Fault::usage, "--device: expected auto, cpu or cuda");
    });
    if (wanted == "cpu") return at::kCPU;
    const int mine = local_rank(comm);
    const auto devices = at::hasCUDA() ? static_cast<int>(at::getNumGPUs()) : 0;
    const auto without = comm.sum(mine < devices ? 0 : 1);
    if (without == 0) return {at::kCUDA, static_cast<c10::DeviceIndex>(mine)};
    core::together(comm, [&] {
        if (wanted == "cuda")
            throw core::Error(core::Fault::system,
                              "--device cuda: " + std::to_string(without) + " of " +
                                  std::to_string(comm.size()) +
                                  " ranks have no GPU of their own. Ask Slurm for one GPU per task, or use "
                                  "--device cpu");
    });
    if (comm.is_root())
        core::Event("info", "no_device").with("text", "no GPU for every rank: running on the CPU");
    return at::kCPU;
}

c10::intrusive_ptr<c10d::ProcessGroup> make_group(const core::Comm& comm, c10::Device device) {
    using Type = c10d::ProcessGroup::BackendType;
    // The group itself needs a store for nothing that is used here.
    auto group = c10::make_intrusive<c10d::ProcessGroup>(c10::make_intrusive<c10d::HashStore>(), comm.rank(),
                                                         comm.size());
    const auto type = device.is_cuda() ? Type::NCCL : Type::CUSTOM;
    c10::intrusive_ptr<c10d::Backend> backend;
    if (device.is_cuda())
        backend = make_nccl_backend(comm, device);
    else
        backend = c10::make_intrusive<MpiBackend>(comm);
    group->setBackend(device.type(), type, backend);
    group->setDefaultBackend(type);
    return group;
}

}  // namespace trainer
