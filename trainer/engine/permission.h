#pragma once
#include "core/mpi/comm.h"
#include "trainer/loader/permission.h"

namespace trainer {

// Collective: open_granted on every rank. Throws AgreedError.
std::unique_ptr<Dataset> open_dataset(const Access& access, const core::Comm& comm);

}  // namespace trainer
