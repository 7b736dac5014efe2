#include "slurm/preflight/mounts.h"

#include <fstream>
#include <sstream>

namespace slurm {

Mount mount_of(const std::filesystem::path& path, const std::filesystem::path& root) {
    std::ifstream mounts(root / "proc/self/mounts");
    Mount found;
    std::size_t longest = 0;
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        Mount one;
        std::string point;
        words >> one.device >> point >> one.type >> one.options;
        const bool holds = point == "/" || path == point || path.string().starts_with(point + "/");
        if (holds && point.size() >= longest) {
            longest = point.size();
            found = one;
        }
    }
    return found;
}

}  // namespace slurm
