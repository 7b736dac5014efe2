#pragma once
#include <cerrno>
#include <string>

#include "core/base/error.h"

namespace slurm {

// For system calls that build a fence: throws Error(system) with errno if `result` is negative. `doing` ends the
// sentence "fence: cannot ...".
inline void must(long result, const std::string& doing) {
    if (result < 0) throw core::Error(core::Fault::system, core::with_errno("fence: cannot " + doing, errno));
}

}  // namespace slurm
