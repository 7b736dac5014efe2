#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/files.h"
#include "jobs/release/rules.h"

namespace jobs {

// The whole of a descriptor that somebody handed over: a regular file that is open for reading, at most
// `limit_bytes`. Throws Error(usage) if it is anything else.
std::string read_descriptor(int fd, std::uint64_t limit_bytes);

// What the files of one request are called: plain names, each once. Throws Error(usage).
void check_names(const std::vector<std::string>& names);

// One file of a release request, as it lies in quarantine.
struct QuarantinedFile {
    std::string name;
    std::uint64_t bytes = 0;
    std::string sha256;  // of the copy: what the gate judges and writes anew
};

// Copies each descriptor to FOLDER/NAME (0600, flushed) and hashes what was written. Throws Error(refused) if
// one is larger than the rules allow, Error(usage) if one is no regular file of the device
// `workspace_device`: only files of the workspaces' file system may leave, and no file system of the caller's
// own making can stall the copy.
std::vector<QuarantinedFile> copy_in(const std::vector<core::Fd>& descriptors,
                                     const std::vector<std::string>& names,
                                     const std::filesystem::path& folder,
                                     std::optional<std::uint64_t> workspace_device,
                                     const ReleaseRules& rules);

}  // namespace jobs
