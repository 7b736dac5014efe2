#pragma once
#include <linux/mount.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// A root for a job, built from nothing: an empty tmpfs, into which trees of the host are shown one by one.
// Everything throws Error(system).

namespace slurm {

inline constexpr std::uint64_t kUsers =
    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;  // what a user writes is neither
inline constexpr std::uint64_t kReadOnly = MOUNT_ATTR_RDONLY | kUsers;

// Mount points below `folder`, outermost first, from the text of /proc/self/mountinfo. What an automounter
// has not mounted yet is none.
std::vector<std::filesystem::path> mounts_below(const std::filesystem::path& folder,
                                                std::string_view mountinfo);

class Root {
public:
    // An empty root on a tmpfs over `place`.
    explicit Root(std::filesystem::path place);

    // Where `path` of the job is for the host until enter().
    std::filesystem::path inside(const std::filesystem::path& path) const;
    void folder(const std::filesystem::path& path) const;
    void link(const std::filesystem::path& target, const std::filesystem::path& path) const;
    // Root's, readable for all.
    void file(const std::filesystem::path& path, std::string_view text) const;
    void tmpfs(const std::filesystem::path& path, const std::string& options) const;

    // `from` of the host at `to` of the job, with the mounts below it if `recursive`.
    void bind(const std::filesystem::path& from, const std::filesystem::path& to, std::uint64_t attributes,
              bool recursive = false) const;

    // A folder of the host, read-only and as an overlay of its own: a lock, a lease or a watch on one of its
    // files is this job's own then. On the file itself whoever reads it, on any host of a shared file system,
    // would see the lock, and ranges of locks can spell anything. `above`: a folder whose files, and those of its folders,
    // stand in place of those of the same name. Mounts below `from` are not shown.
    void show(const std::filesystem::path& from, const std::filesystem::path& to,
              const std::filesystem::path& above = {}) const;
    // The same with the mounts below `from`, each as an overlay. Where the kernel cannot lay one more overlay
    // over what is one already, that one is bound: its locks are this node's own as they are.
    void show_tree(const std::filesystem::path& from, const std::filesystem::path& to,
                   const std::filesystem::path& above = {}) const;

    void enter() const;

private:
    void show_or_bind(const std::filesystem::path& from, const std::filesystem::path& to,
                      const std::filesystem::path& above) const;
    std::filesystem::path root_;
};

}  // namespace slurm
