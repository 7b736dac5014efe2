#include "jobs/service/folder.h"

#include <algorithm>

namespace jobs {

std::vector<std::filesystem::path> list_folder(const std::filesystem::path& folder, bool* is_whole) {
    std::vector<std::filesystem::path> out;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error))
        if (entry->path().filename().string().front() != '.') out.push_back(entry->path());
    if (error && is_whole) *is_whole = false;
    std::sort(out.begin(), out.end());
    return out;
}

Turn turn_of(const std::vector<std::filesystem::path>& sorted, const std::string& from, std::size_t most) {
    const auto name = [](const std::filesystem::path& one) { return one.filename().string(); };
    auto at = std::find_if(sorted.begin(), sorted.end(), [&](const auto& one) { return name(one) >= from; });
    Turn turn;
    while (turn.folders.size() < std::min(most, sorted.size())) {
        if (at == sorted.end()) at = sorted.begin();
        turn.folders.push_back(*at++);
    }
    if (turn.folders.size() < sorted.size()) turn.next = name(at == sorted.end() ? sorted.front() : *at);
    return turn;
}

}  // namespace jobs
