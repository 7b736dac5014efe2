#pragma once
#include <cstdint>
#include <filesystem>

#include "core/mpi/comm.h"
#include "staging/deid/definition.h"
#include "staging/deid/identity.h"
#include "staging/work/spill.h"

namespace staging {

struct VolumesMade {
    std::uint64_t batches = 0;  // of the work folder that hold volumes: they follow those of files
    std::int64_t samples = 0;   // volumes that wait, on all ranks
};

// After stage 1, where a definition's samples are volumes: brings the waiting frames of each series together
// (Shuffle, by keyed digest), sorts them (image/series.h) and writes volumes of them, as lists of where their
// pixels wait. Frames that became no volume are rejected in the same batches, each file for each reason once.
// What is written does not depend on the number of ranks; batches of a killed run are taken over. Collective.
VolumesMade make_volumes(const core::Comm& comm, const Definition& definition, const Pseudonyms& pseudonyms,
                         const Spill& spill, std::uint64_t batches, const std::filesystem::path& folder,
                         const core::SecretKey& run_key);

}  // namespace staging
