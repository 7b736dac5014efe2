#pragma once
#include "core/mpi/comm.h"
#include "trainer/loader/permission.h"

namespace trainer {

// What a recipe's data.dataset names (["digits@1"], as Access::of finds them), or, where it names none, what the flags
// say; a steward's key of theirs is for each. Throws Error(usage) if both say what to read, or neither.
std::vector<Access> access_of(const std::vector<std::string>& named, const Access& flags);

// Collective: open_granted on every rank, of each; several are read as one. Throws AgreedError.
std::unique_ptr<Dataset> open_dataset(const std::vector<Access>& access, const core::Comm& comm);

}  // namespace trainer
