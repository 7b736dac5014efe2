#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace jobs {

// What lies in a folder, sorted, without hidden names; nothing if it cannot be read. A folder on a shared file
// system may fail while it is read: then what was seen until then, and `is_whole` becomes false. Never throws for that.
std::vector<std::filesystem::path> list_folder(const std::filesystem::path& folder, bool* is_whole = nullptr);

// A part of a long, sorted list, so that each has its turn and no round looks at more than `most`: from the first
// whose name is not before `from` on, and round.
struct Turn {
    std::vector<std::filesystem::path> folders;
    std::string next;  // where the following round begins; empty if this one had all
};
Turn turn_of(const std::vector<std::filesystem::path>& sorted, const std::string& from, std::size_t most);

}  // namespace jobs
