#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "jobs/release/budget.h"

namespace jobs {

// What may leave: SITE.config/release.toml (configs/clusters/release.toml is the commented example; absent:
// the values below).
struct ReleaseRules {
    std::uint64_t file_bytes = 4ull << 30, request_bytes = 8ull << 30;
    std::uint64_t table_bytes = 1 << 20;      // JSON and CSV, as the author wrote them
    std::int64_t numbers = 5000;              // in one file
    std::int64_t list_length = 1000;          // numbers in a list, rows of a table
    std::int64_t markdown_characters = 4000;  // of a text
    std::uint64_t picture_bytes = 256 << 10;  // of a picture as the gate writes it
    std::int64_t picture_pixels = 2'000'000;
    std::int64_t smallest_count = 10;  // of people or samples; 1 up to one less is a small count
    std::set<std::string> not_counts;  // keys, beside the gate's own, whose small whole numbers count nobody
    std::map<std::string, std::vector<std::string>> words;  // enclave, or "all" -> names that may leave
    DeskRules desk;

    static ReleaseRules load(const std::filesystem::path& file);  // throws Error(usage)
};

}  // namespace jobs
