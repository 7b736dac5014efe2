#pragma once
#include <cstdint>
#include <filesystem>

#include "core/mpi/comm.h"
#include "staging/deid/definition.h"
#include "staging/deid/identity.h"
#include "staging/face/deface.h"
#include "staging/work/spill.h"

namespace staging {

// After stage 1, where a definition's samples are volumes: brings the waiting frames of each series together
// (Shuffle, by keyed digest), sorts them (image/series.h) and writes volumes of them into `volumes`, as lists of
// where their pixels wait. Frames that became no volume are rejected there, each file for each reason once.
// What is written does not depend on the number of ranks; batches (one for each partition of series) of a killed
// run are taken over. With a `defacer` each volume is looked at before it is written, and its face cut off, or its
// frames rejected (face_not_removed); memory is then three times the largest volume in floats. Collective. Returns
// how many volumes wait.
std::int64_t make_volumes(const core::Comm& comm, const Definition& definition, const Pseudonyms& pseudonyms,
                          const Spill& slices, Spill& volumes, const std::filesystem::path& folder,
                          const core::SecretKey& run_key, const Options& options,
                          const Defacer* defacer = nullptr);

}  // namespace staging
