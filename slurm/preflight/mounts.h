#pragma once
#include <filesystem>
#include <string>

namespace slurm {

struct Mount {
    std::string device, type, options;
};

// What a path lies on, by `root`/proc/self/mounts: the mount whose point is its longest prefix. Empty if the table
// cannot be read.
Mount mount_of(const std::filesystem::path& path, const std::filesystem::path& root = "/");

}  // namespace slurm
