#pragma once
#include <ATen/core/Tensor.h>
#include <c10/util/intrusive_ptr.h>

#include <string>

#include "core/mpi/comm.h"

namespace c10d {
class Backend;
class ProcessGroup;
}  // namespace c10d

namespace trainer {

// Collective. The device of this rank: "cpu", "cuda" (a GPU of its own, of those that it sees: device.h) or
// "auto" (GPUs if every rank has one of its own). With "auto" and none, rank 0 says once that the run is on
// the CPU. Throws AgreedError: usage for another word; system for "cuda" without a GPU for every rank, and
// for "auto" where Slurm gave the job GPUs: they must not lie idle unnoticed.
c10::Device choose_device(const core::Comm& comm, const std::string& wanted);

// Collective. The ranks as PyTorch sees them: MpiBackend on CPUs, NCCL on GPUs.
c10::intrusive_ptr<c10d::ProcessGroup> make_group(const core::Comm& comm, c10::Device device,
                                                  double hang_seconds = 600);

// Collective. NCCL with its rendezvous by MPI: rank 0 listens, MPI tells the others where. A collective
// that takes longer than `hang_seconds` ends in an error. Throws AgreedError(system) if this build or this
// machine has no NCCL or no GPU; Error(system) on a rank that cannot connect: the others are waiting for it
// inside NCCL, so that there is nothing to agree on, and the job must be aborted.
c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const core::Comm& comm, c10::Device device,
                                                    double hang_seconds = 600);

}  // namespace trainer
