#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/policy/check.h"

// Settings of the node's kernel on which the fence counts. "To check one more": one row in kernel_settings.cpp.

namespace slurm {

// What `root`/proc/sys says of each. Never throws.
std::vector<core::Check> check_kernel_settings(const std::filesystem::path& root = "/");

// Sets those that are required and are not so: an enclave's node is for its jobs alone, and none may run without them. What cannot
// be set is left to the check. Root.
void apply_kernel_settings(const std::filesystem::path& root = "/");

std::string first_line(const std::string& file);  // empty if it cannot be read

}  // namespace slurm
