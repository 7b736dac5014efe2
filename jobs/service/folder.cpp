#include "jobs/service/folder.h"

#include <algorithm>

namespace jobs {

std::vector<std::filesystem::path> list_folder(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> out;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error))
        if (entry->path().filename().string().front() != '.') out.push_back(entry->path());
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace jobs
