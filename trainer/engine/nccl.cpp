#include "trainer/engine/group.h"

#ifdef USE_C10D_NCCL
#include <ATen/ATen.h>
#include <unistd.h>

#include <chrono>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "trainer/engine/torch_error.h"
#else
#include <torch/csrc/distributed/c10d/Backend.hpp>
#endif

namespace trainer {

#ifdef USE_C10D_NCCL
namespace {

// The first line of PyTorch's message: the rest is its C++ stack.
std::string first_line(const std::exception& e) {
    const std::string text = e.what();
    return text.substr(0, text.find('\n'));
}

c10::intrusive_ptr<c10d::Store> rendezvous(const core::Comm& comm) {
    c10d::TCPStoreOptions options;
    options.isServer = comm.is_root();
    options.port = 0;  // any free one
    options.numWorkers = static_cast<std::size_t>(comm.size());
    options.waitWorkers = false;
    c10::intrusive_ptr<c10d::TCPStore> store;
    core::Bytes where;
    core::together(comm, [&] {
        if (!comm.is_root()) return;
        char host[256] = {};
        if (gethostname(host, sizeof host - 1) != 0)
            throw core::Error(core::Fault::system, core::with_errno("cannot tell this host's name", errno));
        store = c10::make_intrusive<c10d::TCPStore>(host, options);
        const auto text = std::to_string(store->getPort()) + " " + host;
        where.assign(text.begin(), text.end());
    });
    comm.broadcast(where);
    core::together(comm, [&] {
        if (comm.is_root()) return;
        const std::string text(where.begin(), where.end());
        const auto space = text.find(' ');
        options.port = static_cast<std::uint16_t>(std::stoi(text.substr(0, space)));
        store = c10::make_intrusive<c10d::TCPStore>(text.substr(space + 1), options);
    });
    return store;
}

}  // namespace

c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const core::Comm& comm, c10::Device device,
                                                    double hang_seconds) {
    const auto store = rendezvous(comm);
    // NCCL's start waits for every rank: whether each one's device can be used is agreed on before.
    core::together(comm, [&] {
        with_torch_errors("NCCL: the GPU of rank " + std::to_string(comm.rank()),
                          [&] { return at::ones({1}, device).item<float>(); });
    });
    try {
        auto options = c10d::ProcessGroupNCCL::Options::create();
        options->timeout = std::chrono::milliseconds(static_cast<std::int64_t>(hang_seconds * 1000));
        auto backend =
            c10::make_intrusive<c10d::ProcessGroupNCCL>(store, comm.rank(), comm.size(), std::move(options));
        backend->setBoundDeviceId(device);
        backend->eagerConnectSingleDevice(device);
        return backend;
    } catch (const std::exception& e) {
        throw core::Error(core::Fault::system,
                          "NCCL: cannot start on rank " + std::to_string(comm.rank()) + ": " + first_line(e));
    }
}
#else
c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const core::Comm& comm, c10::Device, double) {
    core::agree(comm,
                core::Error(core::Fault::system,
                            "NCCL: this build's LibTorch has no CUDA. Use --device cpu, or build with a "
                            "LibTorch for CUDA"));
    return {};
}
#endif

}  // namespace trainer
