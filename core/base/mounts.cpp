#include "core/base/mounts.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace core {
namespace {

bool is_below(const std::filesystem::path& path, const std::filesystem::path& folder) {
    return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

}  // namespace

std::vector<Mount> mounts_in(const std::filesystem::path& mountinfo) {
    std::vector<Mount> mounts;
    std::ifstream file(mountinfo);
    for (std::string line, id, parent, root, word; std::getline(file, line);) {
        std::istringstream words(line);
        Mount mount;
        words >> id >> parent >> mount.device >> root >> mount.point;
        while (words >> word && word != "-") {
        }
        if (words >> mount.type) {
            words >> mount.source >> mount.options;
            mounts.push_back(std::move(mount));
        }
    }
    return mounts;
}

const Mount* mount_of(const std::vector<Mount>& mounts, const std::filesystem::path& path) {
    const Mount* best = nullptr;
    for (const Mount& mount : mounts)
        if (is_below(path, mount.point) && (!best || mount.point.size() >= best->point.size())) best = &mount;
    return best;
}

Mount mount_of(const std::filesystem::path& mountinfo, const std::filesystem::path& path) {
    const std::vector<Mount> mounts = mounts_in(mountinfo);
    const Mount* found = mount_of(mounts, path);
    return found ? *found : Mount();
}

}  // namespace core
