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

struct CaseWork {
    const core::Comm& comm;
    const Definition& definition;
    const Pseudonyms& pseudonyms;
    const LeftOut& left_out;
    const Spill& stage1;  // where rows and masks wait
    std::filesystem::path folder;
    const core::SecretKey& run_key;
    const Options& options;
};

// Both bring what stage 1 found beside images and the images of its case together (Shuffle, by keyed digest) and write
// cases into `cases`, as references to where image and mask wait. What finds no counterpart is rejected there
// (unmatched_image, unmatched_label); so is what contradicts itself (label_conflict) and what would join two people
// (identity_conflict). A row or a mask counts with the first of its images: what becomes of that one is what becomes of
// it. What is written does not depend on the number of ranks; batches (one for each partition of keys) of a killed run
// are taken over. Collective. They return what this rank's images and rows say of who is one person, for the pool.

// A mask belongs to the images of its case on its grid; one on the grid of none is mask_off_grid.
std::vector<Link> join_masks(const CaseWork& work, const Spill& images, Spill& cases);
// A row belongs to all images of its case.
std::vector<Link> join_labels(const CaseWork& work, const Spill& images, Spill& cases);

}  // namespace staging
