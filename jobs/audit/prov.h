#pragma once
#include <filesystem>

#include "jobs/audit/story.h"

namespace jobs {

// Writes a story as PROV-JSON (W3C Member Submission, 24 April 2013), a new file. The same ledger and scope give the same bytes.
// Reads the ledger once for each kind of statement, so that memory grows with the things that records are about alone. Returns how
// many records it tells. Throws Error(usage) if there is something by that name: nothing is written over.
std::uint64_t write_prov(const Story& story, const std::filesystem::path& file);

}  // namespace jobs
