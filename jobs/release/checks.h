#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace jobs {

// What may leave: SITE.config/release.toml (configs/clusters/release.toml is the commented example; absent:
// the values below).
struct ReleaseRules {
    std::uint64_t file_bytes = 4ull << 30, request_bytes = 8ull << 30;
    std::uint64_t table_bytes = 1 << 20;  // JSON and CSV
    std::int64_t csv_rows = 5000;
    std::int64_t smallest_count = 10;  // of people or samples; 1 up to one less is a small count

    static ReleaseRules load(const std::filesystem::path& file);  // throws Error(usage)
};

// What a check saw. `refuse` ends the request; `flag` is for the reviewers' eyes.
struct Finding {
    enum class Weight { flag, refuse };
    std::string file;
    Weight weight;
    std::string code;  // stable: "small-count", "hidden-payload", ...
    std::string text;  // what and where, and what to do; never a value
};

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
