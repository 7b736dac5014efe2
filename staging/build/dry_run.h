#pragma once
#include "staging/build/build.h"

namespace staging {

// Reads and judges every file as a build would, writes nothing: what would be taken of each delivery before
// stage 2, and what not, by reason; of volumes, the frames that would be looked at for them. Collective; rank 0 does it and has the result:
//   {"dataset","dry_run":true,"files","deliveries":{NAME:{"files","taken","left_out":{REASON:COUNT}}},
//    "samples_before_duplicates":{NAME:COUNT},"quarantine":{REASON:COUNT}}
nlohmann::ordered_json dry_run(const BuildRequest& request, const Readers& server, const core::Comm& comm);

}  // namespace staging
