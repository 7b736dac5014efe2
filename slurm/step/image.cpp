#include "slurm/step/image.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <set>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/split.h"
#include "slurm/step/mark.h"
#include "slurm/step/must.h"
#include "slurm/step/root.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;

[[noreturn]] void refuse(const core::Image& image, const std::string& why) {
    throw Error(Fault::refused,
                "image " + image.name + " cannot be used on this node: " + why + ". Tell the admin");
}

// By which a file is known again: whoever changes its bytes changes one of these.
std::string identity(const struct stat& status) {
    std::string out;
    for (const std::int64_t word :
         {static_cast<std::int64_t>(status.st_dev), static_cast<std::int64_t>(status.st_ino),
          static_cast<std::int64_t>(status.st_size), static_cast<std::int64_t>(status.st_mtim.tv_sec),
          static_cast<std::int64_t>(status.st_mtim.tv_nsec), static_cast<std::int64_t>(status.st_ctim.tv_sec),
          static_cast<std::int64_t>(status.st_ctim.tv_nsec)})
        out += std::to_string(word) + " ";
    return out;
}

core::Digest digest_of(int file) {
    core::Sha256 hash;
    core::Bytes buffer(1 << 20);
    for (off_t at = 0;;) {
        const ssize_t got = ::pread(file, buffer.data(), buffer.size(), at);
        if (got < 0 && errno == EINTR) continue;
        must(got, "read it");
        if (got == 0) return hash.finish();
        hash.update({buffer.data(), static_cast<std::size_t>(got)});
        at += got;
    }
}

// Of the open file, looked up where it was read before and is as it was. The number of files that are remembered is that of
// the images that were ever asked for on this node since it booted.
std::string digest_on(const core::Site& site, const core::Image& image, int file) {
    struct stat status {};
    must(::fstat(file, &status), "look at its file");
    if (!S_ISREG(status.st_mode) || status.st_uid != 0 || (status.st_mode & 022))
        refuse(image, "its file is not root's alone to change");
    const std::string known = identity(status);
    const fs::path seen =
        site.run / "images" / (std::to_string(status.st_dev) + "-" + std::to_string(status.st_ino));
    std::error_code none;
    if (fs::exists(seen, none))
        if (const std::string text = core::read_text(seen, 4096); text.starts_with(known))
            return text.substr(known.size());
    const std::string digest = core::to_hex(digest_of(file));
    must(::fstat(file, &status), "look at its file");
    if (identity(status) != known) refuse(image, "its file changes while it is read");
    core::make_directories(seen.parent_path(), 0700);
    core::write_atomically(seen, known + digest, 0600);
    return digest;
}

// A loop device over the open file, read-only, which ends with its last user; another process may be faster to the
// number that the kernel gives.
core::Fd loop_device(int file, std::string& path) {
    const core::Fd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
    must(control.get(), "open /dev/loop-control (is the module loop loaded?)");
    for (int attempt = 0;; ++attempt) {
        const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
        must(number, "find a free loop device");
        path = "/dev/loop" + std::to_string(number);
        core::Fd device(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        must(device.get(), "open " + path);
        loop_config config{};
        config.fd = static_cast<std::uint32_t>(file);
        config.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
        if (::ioctl(device.get(), LOOP_CONFIGURE, &config) == 0) return device;
        if (errno != EBUSY || attempt == 64) must(-1, "set up " + path);
    }
}

core::Fd mount_squashfs(int file) {
    std::string path;
    const core::Fd device = loop_device(file, path);
    const core::Fd kind(static_cast<int>(::syscall(SYS_fsopen, "squashfs", FSOPEN_CLOEXEC)));
    must(kind.get(), "open squashfs (is it in the kernel?)");
    const auto set = [&](unsigned command, const char* key, const char* value) {
        must(::syscall(SYS_fsconfig, kind.get(), command, key, value, 0), "read it as SquashFS");
    };
    set(FSCONFIG_SET_STRING, "source", path.c_str());
    set(FSCONFIG_SET_FLAG, "ro", nullptr);
    set(FSCONFIG_CMD_CREATE, nullptr, nullptr);
    core::Fd mount(static_cast<int>(
        ::syscall(SYS_fsmount, kind.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(kReadOnly))));
    must(mount.get(), "mount it");
    return mount;
}

// Folders of the new root that are never the image's.
const std::set<std::string> kOurs{"aloft", "dev", "proc", "run", "sys", "tmp"};
// Of the node's /etc, in place of the image's files.
constexpr std::array kOfTheNode{"passwd", "group", "hosts", "nsswitch.conf", "resolv.conf"};

// A folder of the view's own root: made again in the new one, and what is mounted in it mounted there, too. Of files of
// that root only the mark is taken along, by which the wrapper knows the view that it is in.
void take_over(const Root& root, const fs::path& folder, dev_t device) {
    root.folder(folder);
    for (const auto& entry : fs::directory_iterator(folder)) {
        struct stat status {};
        must(::lstat(entry.path().c_str(), &status), "look at " + entry.path().string());
        if (status.st_dev != device)
            root.bind(entry.path(), entry.path(), 0, true);
        else if (S_ISDIR(status.st_mode))
            take_over(root, entry.path(), device);
        else if (entry.path() == kMark)
            root.file(kMark, core::read_text(kMark));
    }
}

// Where a path is in the image if its first folder is a link there: "/lib/x" is "/usr/lib/x" on a merged system.
fs::path in_image(const fs::path& path) {
    const fs::path rest = path.relative_path(), first = *rest.begin();
    if (!fs::is_symlink(fs::symlink_status(fs::path(kImagePlace) / first))) return path;
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT;
    const core::Fd top(::open(kImagePlace, O_PATH | O_DIRECTORY | O_CLOEXEC));
    must(top.get(), "open the image");
    const core::Fd found(
        static_cast<int>(::syscall(SYS_openat2, top.get(), first.c_str(), &how, sizeof how)));
    must(found.get(), "follow a link at the top of the image");
    const fs::path target = fs::read_symlink("/proc/self/fd/" + std::to_string(found.get()));
    return "/" / target.lexically_relative(kImagePlace) / rest.lexically_relative(first);
}

fs::path layer(const fs::path& above) {
    return fs::exists(above) ? above : fs::path();
}

}  // namespace

std::vector<std::string> own_libraries() {
    return core::split(ALOFT_OWN_LIBRARIES, ':');
}

core::Fd mount_image(const core::Site& site, const core::Image& image) {
    const core::Fd file(::open(image.file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file.is_open()) refuse(image, core::with_errno("its file cannot be opened", errno));
    try {
        if (digest_on(site, image, file.get()) != image.sha256)
            refuse(image, "its file has other bytes than the policy says");
        return mount_squashfs(file.get());
    } catch (const Error& e) {
        if (e.fault() == Fault::refused) throw;
        refuse(image, e.what());
    }
}

void enter_image(const std::vector<fs::path>& kept) {
    std::error_code none;
    const fs::path folder = fs::current_path(none);
    const Root root("/.job");
    // Locks on the image's files are this job's own: they are of an overlay.
    root.show(kImagePlace, "/.image");
    const fs::path image = root.inside("/.image");
    // Places for what is kept, as a layer above the image's folders.
    const fs::path above = root.inside("/.above");
    std::vector<std::pair<fs::path, fs::path>> places;  // from the view, to the new root
    for (const fs::path& path : kept) places.emplace_back(path, in_image(path));
    for (const auto& [from, to] : places) core::make_directories(above / to.relative_path(), 0755);
    const fs::path etc = in_image("/etc/passwd").parent_path();
    for (const char* name : kOfTheNode) {
        const fs::path from = fs::path("/etc") / name;
        if (!fs::exists(from, none)) continue;
        root.file("/.above" / etc.relative_path() / name, "");
        places.emplace_back(from, etc / name);
    }
    for (const auto& entry : fs::directory_iterator(image)) {
        const fs::path place = "/" / entry.path().filename();
        if (kOurs.contains(place.filename())) continue;
        if (entry.is_symlink())
            root.link(fs::read_symlink(entry.path()), place);
        else if (entry.is_directory())
            root.show(fs::path(kImagePlace) / place.filename(), place, layer(above / place.filename()));
        else if (entry.is_regular_file())
            root.bind(entry.path(), place, kReadOnly);
    }
    for (const auto& entry : fs::directory_iterator(above))
        if (const fs::path place = "/" / entry.path().filename();
            !kOurs.contains(place.filename()) && !fs::exists(fs::symlink_status(root.inside(place))))
            root.bind(entry.path(), place, kReadOnly);
    for (const auto& [from, to] : places)
        root.bind(from, to, fs::is_directory(from) ? 0 : kReadOnly, fs::is_directory(from));
    struct stat status {};
    must(::stat("/", &status), "look at the view");
    take_over(root, "/aloft", status.st_dev);
    root.folder("/proc");
    root.enter();
    if (!folder.empty()) (void)!::chdir(folder.c_str());
}

}  // namespace slurm
