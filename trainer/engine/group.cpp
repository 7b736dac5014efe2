#include "trainer/engine/group.h"

#include <ATen/Context.h>

#ifdef USE_C10D_NCCL
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>
#endif
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "core/base/event.h"
#include "trainer/engine/device.h"
#include "trainer/engine/mpi_backend.h"
#include "trainer/engine/process.h"

namespace trainer {
namespace {

// What tells each GPU that this process sees from all others of the node.
VisibleGpus visible_gpus() {
    VisibleGpus out;
    if (!at::hasCUDA()) return out;
#ifdef USE_C10D_NCCL
    for (int i = 0; i < static_cast<int>(at::getNumGPUs()); ++i) {
        char place[32] = {};
        if (cudaDeviceGetPCIBusId(place, sizeof place, i) != cudaSuccess)
            throw core::Error(core::Fault::system, "GPU " + std::to_string(i) + " does not answer");
        // Parts of one GPU (MIG) share its place on the bus; of these a process sees one only, by its name.
        const char* names = std::getenv("CUDA_VISIBLE_DEVICES");
        const std::string named = names ? names : "";
        out.push_back(named.starts_with("MIG-") ? named : place);
    }
#endif
    return out;
}

// Collective. Each rank's GPU, if every rank of every node has one of its own.
std::optional<std::size_t> my_gpu(const core::Comm& comm) {
    const core::Comm node = ranks_of_node(comm);
    VisibleGpus mine;
    core::together(comm, [&] { mine = visible_gpus(); });
    core::Bytes text;
    for (const std::string& each : mine) {
        text.insert(text.end(), each.begin(), each.end());
        text.push_back('\n');
    }
    const auto gathered = node.gather(text);
    std::vector<std::int64_t> taken(static_cast<std::size_t>(node.size()), -1);
    if (node.is_root()) {
        std::vector<VisibleGpus> ranks;
        for (const core::Bytes& each : gathered) {
            std::istringstream lines(std::string(each.begin(), each.end()));
            auto& list = ranks.emplace_back();
            for (std::string line; std::getline(lines, line);) list.push_back(line);
        }
        if (const auto shared = share_out(ranks)) taken.assign(shared->begin(), shared->end());
    }
    core::check_mpi(MPI_Bcast(taken.data(), node.size(), MPI_INT64_T, 0, node.get()), "share out the GPUs");
    const std::int64_t own = taken[static_cast<std::size_t>(node.rank())];
    return comm.sum(own < 0) == 0 ? std::optional(static_cast<std::size_t>(own)) : std::nullopt;
}

std::map<std::string, std::string> environment() {
    std::map<std::string, std::string> out;
    for (char** each = environ; each && *each; ++each) {
        const std::string_view entry(*each);
        const auto equals = entry.find('=');
        if (equals != std::string_view::npos) out.emplace(entry.substr(0, equals), entry.substr(equals + 1));
    }
    return out;
}

}  // namespace

c10::Device choose_device(const core::Comm& comm, const std::string& wanted) {
    core::together(comm, [&] {
        if (wanted != "auto" && wanted != "cpu" && wanted != "cuda")
            throw core::Error(core::Fault::usage, "--device: expected auto, cpu or cuda");
    });
    if (wanted == "cpu") return at::kCPU;
    if (const auto mine = my_gpu(comm)) {
        const c10::Device device(at::kCUDA, static_cast<c10::DeviceIndex>(*mine));
#ifdef USE_C10D_NCCL
        c10::cuda::set_device(device.index());  // or this rank would take memory of the first GPU, too
#endif
        return device;
    }
    core::together(comm, [&] {
        const std::string advice =
            "not every rank has a GPU of its own. Ask Slurm for one GPU per task, or use --device cpu";
        if (wanted == "cuda") throw core::Error(core::Fault::system, "--device cuda: no GPU: " + advice);
        if (job_has_gpus(environment()))
            throw core::Error(core::Fault::system, "this job was given GPUs, but " + advice);
    });
    const bool there = std::filesystem::exists("/dev/nvidiactl");
    if (comm.is_root())
        core::Event(there ? "warning" : "info", "no_device")
            .with("text", "no GPU for every rank: running on the CPU");
    return at::kCPU;
}

c10::intrusive_ptr<c10d::ProcessGroup> make_group(const core::Comm& comm, c10::Device device,
                                                  double hang_seconds) {
    using Type = c10d::ProcessGroup::BackendType;
    // The group itself needs a store for nothing that is used here.
    auto group = c10::make_intrusive<c10d::ProcessGroup>(c10::make_intrusive<c10d::HashStore>(), comm.rank(),
                                                         comm.size());
    const auto type = device.is_cuda() ? Type::NCCL : Type::CUSTOM;
    c10::intrusive_ptr<c10d::Backend> backend;
    if (device.is_cuda())
        backend = make_nccl_backend(comm, device, hang_seconds);
    else
        backend = c10::make_intrusive<MpiBackend>(comm);
    group->setBackend(device.type(), type, backend);
    group->setDefaultBackend(type);
    return group;
}

}  // namespace trainer
