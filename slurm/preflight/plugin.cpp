// The fence's plugin as it lies on this node.
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <iterator>

#include "core/base/version.h"
#include "slurm/preflight/preflight.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;

// Up to the mark only: with debugging information the file is large, and Prolog waits for this.
std::string version_of(const fs::path& plugin) {
    std::ifstream file(plugin, std::ios::binary);
    std::string bytes(1 << 20, '\0'), kept;
    while (file) {
        file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        kept.append(bytes, 0, static_cast<std::size_t>(file.gcount()));
        if (std::string version = plugin_version(kept); !version.empty()) return version;
        if (kept.size() > 64) kept.erase(0, kept.size() - 64);  // the mark may lie across two reads
    }
    return {};
}

constexpr int kMostLinks = 40;  // as the kernel follows

// As changed_by_others, but links that are root's are followed, one by one, as the kernel does: a prefix may lie elsewhere.
std::string changed_on_the_way(const fs::path& plugin) {
    fs::path at = "/", left = plugin.relative_path();
    for (int links = 0;;) {
        struct stat status {};
        if (::lstat(at.c_str(), &status)) return errno == ENOENT ? changed_by_others(at) : at.string();
        const bool is_link = S_ISLNK(status.st_mode);
        if (status.st_uid != 0 || (!is_link && (status.st_mode & 022)) || links > kMostLinks)
            return at.string();
        if (is_link) {
            ++links;
            std::error_code gone;
            const fs::path to = fs::read_symlink(at, gone);
            if (gone) return at.string();
            at = to.is_absolute() ? fs::path("/") : at.parent_path();
            left = to.relative_path() / left;
        }
        if (left.empty()) return {};
        const fs::path next = *left.begin();
        fs::path rest;
        for (auto part = std::next(left.begin()); part != left.end(); ++part) rest /= *part;
        left = rest;
        if (next == "..")
            at = at.parent_path();
        else if (next != "." && !next.empty())
            at /= next;
    }
}

}  // namespace

Check check_plugin(const fs::path& plugin) {
    const std::string version = version_of(plugin), open = changed_on_the_way(plugin);
    const bool is_this = version == core::version();
    std::string found = version.empty() ? "absent" : "version " + version;
    if (is_this && !open.empty()) found = open + " can be changed by others than root";
    return core::required(
        "fence plugin", is_this && open.empty(), found,
        is_this ? "chown root " + open + "; chmod go-w"
                : "cmake --install to " ALOFT_PREFIX ": this is version " + std::string(core::version()));
}

// What is absent is as safe as the folder that it would be made in.
std::string changed_by_others(fs::path path) {
    for (;; path = path.parent_path()) {
        struct stat status {};
        if (::lstat(path.c_str(), &status)) {
            if (errno != ENOENT || path == path.parent_path()) return path.string();
        } else if (S_ISLNK(status.st_mode) || status.st_uid != 0 || (status.st_mode & 022)) {
            return path.string();
        }
        if (path == path.parent_path()) return {};
    }
}

std::string plugin_version(std::string_view bytes) {
    constexpr std::string_view kMark = "aloft-fence-version=";  // in spank_aloft.cpp
    const auto at = bytes.find(kMark);
    if (at == std::string_view::npos) return {};
    const std::string_view rest = bytes.substr(at + kMark.size(), 32);
    return std::string(rest.substr(0, rest.find('\0')));
}

}  // namespace slurm
