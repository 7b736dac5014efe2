#include "staging/read/delivery.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "core/base/error.h"

namespace staging {
namespace {

using core::Error;
using core::Fault;

constexpr std::size_t kDepth = 64;

[[noreturn]] void cannot_list(int why) {
    throw Error(Fault::system, core::with_errno("cannot list a folder of the delivery", why));
}

// Opens relative to `folder` and nowhere else, whatever is renamed meanwhile (openat2(2), Linux 5.6).
core::Fd open_beneath(int folder, const std::string& name, int flags) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    for (int attempt = 0; attempt < 100; ++attempt) {
        const long fd = ::syscall(SYS_openat2, folder, name.c_str(), &how, sizeof how);
        if (fd >= 0) return core::Fd(static_cast<int>(fd));
        if (errno != EAGAIN && errno != EINTR) break;  // EAGAIN: a rename raced with the look-up
    }
    return core::Fd();
}

struct Child {
    std::string name;  // of a folder: with a slash at its end, so that sorting is by the whole path
    bool is_folder;
};

std::vector<Child> children(int folder) {
    const std::unique_ptr<DIR, int (*)(DIR*)> open(::fdopendir(::fcntl(folder, F_DUPFD_CLOEXEC, 0)),
                                                   ::closedir);
    if (!open) cannot_list(errno);
    std::vector<Child> found;
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(open.get());
        if (!entry) break;
        const std::string name = entry->d_name;
        if (name == "." || name == "..") continue;
        bool is_folder = entry->d_type == DT_DIR;
        if (entry->d_type == DT_UNKNOWN) {
            struct stat status {};
            is_folder =
                ::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
        }
        found.push_back({is_folder ? name + '/' : name, is_folder});
    }
    if (errno) cannot_list(errno);
    std::ranges::sort(found, {}, &Child::name);
    return found;
}

struct Level {
    core::Fd folder;
    std::string path;  // with a slash at its end, empty for the delivery itself
    std::vector<Child> children;
    std::size_t next = 0;
};

}  // namespace

bool is_machines_fault(int errno_value) noexcept {
    switch (errno_value) {
        case EIO:
        case ESTALE:
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case EAGAIN:
        case ETIMEDOUT:
        case EREMOTEIO:
        case ENOTCONN:
        case EHOSTDOWN:
        case EHOSTUNREACH:
        case ECONNABORTED:
        case ECONNRESET:
        case ESHUTDOWN:
        case ENOLCK:
            return true;
        default:
            return false;
    }
}

Delivery::Delivery(const std::filesystem::path& folder) {
    folder_ = core::Fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder_.is_open()) return;
    const int why = errno;
    if (why == ENOTDIR || why == ENOENT)
        throw Error(Fault::usage, core::with_errno("a delivery must be a folder", why));
    throw Error(Fault::system, core::with_errno("cannot open a delivery's folder", why));
}

Opened Delivery::open(const std::string& name) const {
    Opened opened;
    if (name.ends_with('/')) {
        const auto depth = static_cast<std::size_t>(std::count(name.begin(), name.end(), '/'));
        opened.reason = depth > kDepth ? Reason::nesting_too_deep : Reason::unreadable;
        return opened;
    }
    // A path descriptor first: opening a FIFO or a device for reading can block or act; looking cannot.
    const core::Fd path = open_beneath(folder_.get(), name, O_PATH | O_NOFOLLOW);
    struct stat status {};
    const auto fail = [&](Reason reason) {
        opened.reason = reason;
        if (reason == Reason::unreadable && is_machines_fault(errno)) opened.trouble = errno;
    };
    if (!path.is_open()) {
        fail(errno == ELOOP ? Reason::symlink : Reason::unreadable);
    } else if (::fstat(path.get(), &status) != 0) {
        fail(Reason::unreadable);
    } else if (S_ISLNK(status.st_mode)) {
        fail(Reason::symlink);
    } else if (!S_ISREG(status.st_mode)) {
        fail(Reason::not_regular);
    } else {
        const std::string same = "/proc/self/fd/" + std::to_string(path.get());
        opened.fd = core::Fd(::open(same.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
        if (!opened.fd.is_open()) fail(Reason::unreadable);
        opened.bytes = static_cast<std::uint64_t>(status.st_size);
    }
    return opened;
}

void Delivery::walk(const std::function<void(const std::string& name)>& entry) const {
    std::vector<Level> levels;
    levels.push_back({core::Fd(::fcntl(folder_.get(), F_DUPFD_CLOEXEC, 0)), "", children(folder_.get())});
    while (!levels.empty()) {
        Level& level = levels.back();
        if (level.next == level.children.size()) {
            levels.pop_back();
            continue;
        }
        const Child child = std::move(level.children[level.next++]);
        const std::string path = level.path + child.name;
        if (!child.is_folder) {
            entry(path);
            continue;
        }
        if (levels.size() > kDepth) {
            entry(path);
            continue;
        }
        core::Fd folder = open_beneath(level.folder.get(), child.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (!folder.is_open()) {
            if (is_machines_fault(errno)) cannot_list(errno);
            entry(path);
            continue;
        }
        auto inside = children(folder.get());
        levels.push_back({std::move(folder), path, std::move(inside)});
    }
}

}  // namespace staging
