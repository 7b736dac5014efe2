#include "slurm/step/root.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sstream>

#include "core/base/error.h"
#include "core/base/files.h"
#include "slurm/step/must.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;

// \040 is how mountinfo writes a blank.
std::string unescaped(const std::string& word) {
    std::string text;
    for (std::size_t i = 0; i < word.size(); ++i)
        if (word[i] == '\\' && i + 3 < word.size()) {
            text += static_cast<char>(std::stoi(word.substr(i + 1, 3), nullptr, 8));
            i += 3;
        } else {
            text += word[i];
        }
    return text;
}

// A file of /proc has no size that could be asked for.
std::string mountinfo() {
    const core::Fd file(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
    must(file.get(), "list the mounts");
    std::string text;
    char buffer[16384];
    ssize_t got = 0;
    while ((got = ::read(file.get(), buffer, sizeof buffer)) > 0)
        text.append(buffer, static_cast<std::size_t>(got));
    must(got, "list the mounts");
    return text;
}

// File systems whose files have inodes of this node's own, so that nobody elsewhere sees a lock on one.
bool is_of_this_node(const fs::path& path) {
    struct statfs status {};
    must(::statfs(path.c_str(), &status), "look at " + path.string());
    for (const std::int64_t kind :
         std::initializer_list<std::int64_t>{OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, RAMFS_MAGIC, SQUASHFS_MAGIC})
        if (status.f_type == kind) return true;
    return false;
}

}  // namespace

std::vector<fs::path> mounts_below(const fs::path& folder, std::string_view text) {
    const std::string above = folder.string() + "/";
    std::vector<fs::path> found;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string word, place, kind;
        for (int n = 0; n < 5; ++n) words >> place;
        while (words >> word && word != "-") {
        }
        words >> kind;
        const std::string path = unescaped(place);
        if (path.starts_with(above) && kind != "autofs") found.emplace_back(path);
    }
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

Root::Root(fs::path place) : root_(std::move(place)) {
    core::make_directories(root_, 0700);
    must(::mount("aloft", root_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m"), "mount a root");
}

fs::path Root::inside(const fs::path& path) const {
    return root_ / path.relative_path();
}

void Root::folder(const fs::path& path) const {
    core::make_directories(inside(path), 0755);
}

void Root::link(const fs::path& target, const fs::path& path) const {
    must(::symlink(target.c_str(), inside(path).c_str()), "make the link " + path.string());
}

void Root::file(const fs::path& path, std::string_view text) const {
    folder(path.parent_path());
    const core::Fd file(
        ::open(inside(path).c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0444));
    must(file.get(), "make " + path.string());
    core::write_all(file.get(), core::view(text));
    must(::fchmod(file.get(), 0444), "make " + path.string());  // whatever the umask is
}

void Root::tmpfs(const fs::path& path, const std::string& options) const {
    folder(path);
    must(::mount("aloft", inside(path).c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()),
         "mount " + path.string());
}

void Root::bind(const fs::path& from, const fs::path& to, std::uint64_t attributes, bool recursive) const {
    const core::Fd tree(
        static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, from.c_str(),
                                   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0))));
    must(tree.get(), "open " + from.string());
    mount_attr attr{};
    attr.attr_set = attributes;
    must(::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr,
                   sizeof attr),
         "set the attributes of " + from.string());
    struct stat status {};
    must(::fstat(tree.get(), &status), "stat " + from.string());
    if (S_ISDIR(status.st_mode)) {
        folder(to);
    } else if (::access(inside(to).c_str(), F_OK)) {
        folder(to.parent_path());
        const core::Fd file(::open(inside(to).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644));
        must(file.get(), "make a place for " + to.string());
    }
    must(::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, inside(to).c_str(), MOVE_MOUNT_F_EMPTY_PATH),
         "mount " + to.string());
}

void Root::show(const fs::path& from, const fs::path& to, const fs::path& above) const {
    // An overlay without a writable layer has two at least.
    const fs::path other = above.empty() ? inside("/aloft/.empty") : above;
    core::make_directories(other, 0755);
    const core::Fd kind(static_cast<int>(::syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC)));
    must(kind.get(), "open overlayfs (is it in the kernel?)");
    const auto set = [&](unsigned command, const char* key, const char* value) {
        must(::syscall(SYS_fsconfig, kind.get(), command, key, value, 0),
             "lay an overlay over " + from.string());
    };
    const bool is_below = above.empty();
    if (!is_below) set(FSCONFIG_SET_STRING, "lowerdir+", other.c_str());
    set(FSCONFIG_SET_STRING, "lowerdir+", from.c_str());
    if (is_below) set(FSCONFIG_SET_STRING, "lowerdir+", other.c_str());
    set(FSCONFIG_CMD_CREATE, nullptr, nullptr);
    const core::Fd tree(static_cast<int>(::syscall(
        SYS_fsmount, kind.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)));
    must(tree.get(), "mount an overlay of " + from.string());
    folder(to);
    must(::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, inside(to).c_str(), MOVE_MOUNT_F_EMPTY_PATH),
         "mount " + to.string());
}

void Root::show_or_bind(const fs::path& from, const fs::path& to, const fs::path& above) const {
    try {
        show(from, to, above);
        return;
    } catch (const Error&) {
        if (!is_of_this_node(from)) throw;
    }
    bind(from, to, kReadOnly);
    if (above.empty()) return;
    for (const auto& entry : fs::directory_iterator(above)) {
        const fs::path name = entry.path().filename(), path = to / name;
        if (!fs::exists(inside(path))) continue;
        std::error_code none;
        if (entry.is_directory())  // what the system has there stands beside ours, as in an overlay
            for (const auto& own : fs::directory_iterator(from / name))
                if (const fs::path place = entry.path() / own.path().filename();
                    own.is_regular_file(none) && !fs::exists(place))
                    bind(own.path(), "/" / place.lexically_relative(root_), kReadOnly);
        bind(entry.path(), path, kReadOnly, entry.is_directory());
    }
}

void Root::show_tree(const fs::path& from, const fs::path& to, const fs::path& above) const {
    show_or_bind(from, to, above);
    for (const fs::path& mount : mounts_below(fs::canonical(from), mountinfo())) {
        const fs::path place = to / mount.lexically_relative(fs::canonical(from));
        struct stat status {};
        if (::stat(mount.c_str(), &status)) {
            if (errno == ENOENT) continue;  // hidden by a mount that came later
            must(-1, "look at " + mount.string());
        }
        if (S_ISDIR(status.st_mode))
            show_or_bind(mount, place, {});
        else
            bind(mount, place, kReadOnly);
    }
}

void Root::enter() const {
    must(::chdir(root_.c_str()), "enter the job's root");
    must(static_cast<int>(::syscall(SYS_pivot_root, ".", ".")), "make the job's root the root");
    must(::umount2(".", MNT_DETACH), "leave the host's root");
    must(::chdir("/"), "enter the job's root");
}

}  // namespace slurm
