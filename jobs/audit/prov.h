#pragma once
#include <filesystem>

#include "jobs/audit/story.h"

namespace jobs {

// Writes a story as PROV-JSON (W3C Member Submission, 24 April 2013). The same ledger and scope give the same bytes. Reads the
// ledger once for each kind of statement, so that memory does not grow with it. Returns how many records it tells.
std::uint64_t write_prov(const Story& story, const std::filesystem::path& file);

}  // namespace jobs
