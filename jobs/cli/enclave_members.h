#pragma once
#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/policy/enclave.h"

namespace jobs {

// What is put into an enclave or taken out of it.
struct Members {
    std::vector<std::string> accounts, nodes, datasets;
    std::vector<std::filesystem::path> software;
    std::vector<std::string> images;  // as they are asked for; then as they are recorded, "NAME@sha256:HEX"

    bool is_empty() const;
    nlohmann::json to_json() const;  // as aloftd takes them
};

enum class Way { in, out };

// Puts the asked images into the list or takes them out of it; what of them is new to it, or was in it, is left in
// `asked`, as it goes on record. What a name means never changes: jobs that wait would get another system. Throws
// Error(usage).
void move_images(std::vector<core::Image>& list, std::vector<std::string>& asked, Way way);

void add_members(CLI::App* verb, Members& members);

}  // namespace jobs
