#pragma once
#include <filesystem>

#include "jobs/audit/story.h"

namespace jobs {

// Writes a story as an RO-Crate 1.1 (w3id.org/ro/crate/1.1) into `folder`, which must be empty or not there: records.jsonl (the
// ledger's lines as they stand), provenance.json (PROV-JSON) and ro-crate-metadata.json, which names all people, things and steps.
// For one release or one project: it is held in memory. Returns how many records it tells. Throws Error(usage) if the folder has
// something in it.
std::uint64_t write_crate(const Story& story, const std::string& title, const std::filesystem::path& folder);

}  // namespace jobs
