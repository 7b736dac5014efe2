#pragma once
#include <filesystem>
#include <vector>

namespace jobs {

// What lies in a folder, sorted, without hidden names; nothing if it cannot be read. A folder on a shared file
// system may fail while it is read: then what was seen until then. Never throws for that.
std::vector<std::filesystem::path> list_folder(const std::filesystem::path& folder);

}  // namespace jobs
