#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "jobs/release/finding.h"
#include "jobs/release/gate.h"

namespace jobs {

// Checks one file by extension and content. `type` becomes "safetensors" or one of gate_types(); anything else
// is refused with code "type". Never throws for what is in the file.
std::vector<Finding> check_file(const std::filesystem::path& file, const std::string& name,
                                const ReleaseRules& rules, std::string& type);

// Findings without `file`.
std::vector<Finding> check_safetensors(const std::filesystem::path& file);

}  // namespace jobs
