#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "jobs/release/finding.h"
#include "jobs/release/rules.h"

namespace jobs {

// Checks one file by extension and content. `type` becomes "safetensors", "json" or "csv"; anything else is
// refused with code "type". Never throws for what is in the file.
std::vector<Finding> check_file(const std::filesystem::path& file, const std::string& name,
                                const ReleaseRules& rules, std::string& type);

// One format each; findings without `file`.
std::vector<Finding> check_safetensors(const std::filesystem::path& file);
std::vector<Finding> check_json(const std::string& text, const ReleaseRules& rules);
std::vector<Finding> check_csv(const std::string& text, const ReleaseRules& rules);

// True if a column or key of this name counts people or samples: "count", "patients", "test_samples", "n" ...
bool counts_something(const std::string& name);

}  // namespace jobs
