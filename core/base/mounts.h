#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace core {

// One line of proc_pid_mountinfo(5). Names with spaces stay escaped.
struct Mount {
    std::string device;  // "8:1"
    std::string point, type;
    std::string source;   // "/dev/sda1", "none", "server:/export"
    std::string options;  // of the file system: "rw,sec=krb5p"
};

// In the order in which they were mounted; none if the table cannot be read.
std::vector<Mount> mounts_in(const std::filesystem::path& mountinfo);

// What a path lies on: the last mount of the longest name; null if there is none. Nothing is opened: it may hang.
const Mount* mount_of(const std::vector<Mount>& mounts, const std::filesystem::path& path);
// The same by the table of this file; empty if there is none.
Mount mount_of(const std::filesystem::path& mountinfo, const std::filesystem::path& path);

}  // namespace core
