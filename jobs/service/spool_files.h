#pragma once
#include <cstdint>
#include <filesystem>

namespace jobs {

// Files in the folders below `spool`, counted up to 10,000: they lie on a shared file system, and callers wait.
std::int64_t files_in_spool(const std::filesystem::path& spool);

}  // namespace jobs
