#pragma once
#include <filesystem>
#include <vector>

#include "core/mpi/comm.h"
#include "staging/build/left_out.h"
#include "staging/deid/definition.h"
#include "staging/deid/identity.h"
#include "staging/pool/identity.h"
#include "staging/work/spill.h"

namespace staging {

// What waits after stage 1 (and, of volumes, after they were made).
struct Waiting {
    const Spill& rows;    // where the rows of tables wait
    const Spill& images;  // the same, or volumes
};

// Where a definition has labels: brings each row and the images of its case together (Shuffle, by keyed digest) and
// writes cases into `cases`, as references to where image and pixels wait. What finds no counterpart is rejected there
// (unmatched_image, unmatched_label); so are rows that contradict each other (label_conflict), and rows that name
// another person than the image does (identity_conflict, both). A row counts with the first of its images: what becomes
// of that one is what becomes of the row. What is written does not depend on the number of ranks; batches (one for each
// partition of keys) of a killed run are taken over. Collective. Returns what this rank's images and rows say of who is
// one person, for the pool.
std::vector<Link> join_labels(const core::Comm& comm, const Definition& definition,
                              const Pseudonyms& pseudonyms, const LeftOut& left_out, const Waiting& waiting,
                              Spill& cases, const std::filesystem::path& folder,
                              const core::SecretKey& run_key, const Options& options);

}  // namespace staging
