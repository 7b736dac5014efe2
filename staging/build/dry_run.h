#pragma once
#include "staging/build/build.h"

namespace staging {

// Reads and judges every file by itself as a build would, writes nothing: what passes of each delivery before
// stage 2, and what does not, by reason; of volumes, the frames that would be looked at for them. Collective; rank 0 does it and has the result:
//   {"dataset","dry_run":true,"files","deliveries":{NAME:{"files","passes_alone","left_out":{REASON:COUNT}}},
//    "samples_before_duplicates":{NAME:COUNT},"quarantine":{REASON:COUNT},
//    "not_looked_for":["duplicates",...]}: what of the build may still leave out what passes alone
nlohmann::ordered_json dry_run(const BuildRequest& request, const Readers& server, const core::Comm& comm);

// Whether `summary` is a dry run's, and a build would end for want of a single sample.
bool takes_nothing(const nlohmann::ordered_json& summary);

}  // namespace staging
