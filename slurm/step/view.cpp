#include "slurm/step/view.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/policy/names.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;

void must(long result, const std::string& doing) {
    if (result < 0) throw Error(Fault::system, core::with_errno("fence: cannot " + doing, errno));
}

constexpr std::uint64_t kUsers = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;  // what a user writes is neither

class Root {
public:
    // An empty root on a tmpfs over `place`.
    explicit Root(fs::path place) : root_(std::move(place)) {
        core::make_directories(root_, 0700);
        must(::mount("aloft", root_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m"),
             "mount a root");
    }

    fs::path inside(const fs::path& path) const { return root_ / path.relative_path(); }

    void folder(const fs::path& path) const { core::make_directories(inside(path), 0755); }

    void tmpfs(const fs::path& path, const char* options) const {
        folder(path);
        must(::mount("aloft", inside(path).c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options),
             "mount " + path.string());
    }

    // `from` of the host at `to` of the job, with the mounts below it if `recursive`.
    void bind(const fs::path& from, const fs::path& to, std::uint64_t attributes,
              bool recursive = false) const {
        const core::Fd tree(static_cast<int>(
            ::syscall(SYS_open_tree, AT_FDCWD, from.c_str(),
                      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0))));
        must(tree.get(), "open " + from.string());
        mount_attr attr{};
        attr.attr_set = attributes;
        must(::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0),
                       &attr, sizeof attr),
             "set the attributes of " + from.string());
        struct stat status {};
        must(::fstat(tree.get(), &status), "stat " + from.string());
        if (S_ISDIR(status.st_mode)) {
            folder(to);
        } else {
            folder(to.parent_path());
            const core::Fd file(
                ::open(inside(to).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644));
            must(file.get(), "make a place for " + to.string());
        }
        must(::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, inside(to).c_str(), MOVE_MOUNT_F_EMPTY_PATH),
             "mount " + to.string());
    }

    // A folder of a shared file system, read-only and as an overlay of its own: a lock on a file is this
    // job's own then. On the file itself others who read it, of another enclave even, would see the lock, and
    // ranges of locks can spell anything.
    void show(const fs::path& from, const fs::path& to) const {
        const fs::path empty =
            inside("/aloft/.empty");  // an overlay without a writable layer has two at least
        core::make_directories(empty, 0755);
        const core::Fd kind(static_cast<int>(::syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC)));
        must(kind.get(), "open overlayfs (is it in the kernel?)");
        const auto set = [&](unsigned command, const char* key, const char* value) {
            must(::syscall(SYS_fsconfig, kind.get(), command, key, value, 0),
                 "lay an overlay over " + from.string());
        };
        set(FSCONFIG_SET_STRING, "lowerdir+", from.c_str());
        set(FSCONFIG_SET_STRING, "lowerdir+", empty.c_str());
        set(FSCONFIG_CMD_CREATE, nullptr, nullptr);
        const core::Fd tree(
            static_cast<int>(::syscall(SYS_fsmount, kind.get(), FSMOUNT_CLOEXEC,
                                       MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)));
        must(tree.get(), "mount an overlay of " + from.string());
        folder(to);
        must(::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, inside(to).c_str(), MOVE_MOUNT_F_EMPTY_PATH),
             "mount " + to.string());
    }

    void enter() const {
        must(::chdir(root_.c_str()), "enter the job's root");
        must(::syscall(SYS_pivot_root, ".", "."), "make the job's root the root");
        must(::umount2(".", MNT_DETACH), "leave the host's root");
        must(::chdir("/"), "enter the job's root");
    }

private:
    fs::path root_;
};

constexpr std::uint64_t kReadOnly = MOUNT_ATTR_RDONLY | kUsers;

// Programs and libraries. /bin and its like are links into /usr on a merged system, folders on others.
void show_system(const Root& root) {
    root.bind("/usr", "/usr", kReadOnly, true);
    root.bind("/etc", "/etc", kReadOnly, true);
    for (const char* name : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
        struct stat status {};
        if (::lstat(name, &status)) continue;
        if (S_ISLNK(status.st_mode))
            fs::create_symlink(fs::read_symlink(name), root.inside(name));
        else
            root.bind(name, name, kReadOnly, true);
    }
    root.bind("/sys", "/sys", kReadOnly);
    root.bind("/proc", "/proc", kUsers, true);
}

void show_devices(const Root& root, const Policy& policy) {
    root.tmpfs("/dev", "mode=0755,size=64k");
    for (const char* name : {"null", "zero", "full", "random", "urandom"})
        root.bind(fs::path("/dev") / name, fs::path("/dev") / name, MOUNT_ATTR_NOSUID);
    // Which of the GPUs are the job's is Slurm's device cgroup to say.
    for (const auto& entry : fs::directory_iterator("/dev"))
        if (entry.path().filename().string().starts_with("nvidia"))
            root.bind(entry.path(), entry.path(), MOUNT_ATTR_NOSUID, true);
    if (policy.ruling == Ruling::enclave)
        for (const fs::path& device : policy.devices) root.bind(device, device, MOUNT_ATTR_NOSUID);
    fs::create_symlink("/proc/self/fd", root.inside("/dev/fd"));
    fs::create_symlink("/proc/self/fd/0", root.inside("/dev/stdin"));
    fs::create_symlink("/proc/self/fd/1", root.inside("/dev/stdout"));
    fs::create_symlink("/proc/self/fd/2", root.inside("/dev/stderr"));
    root.tmpfs("/dev/shm", "mode=1777");
}

void show_enclave(const Root& root, const core::Site& site, const Policy& policy, Part part) {
    root.bind(ALOFT_PREFIX, ALOFT_PREFIX, kReadOnly, true);
    for (const fs::path& tree : policy.software)
        if (tree != ALOFT_PREFIX) root.bind(tree, tree, kReadOnly, true);
    if (policy.workspace.empty())
        root.tmpfs("/aloft/workspace", "mode=1777,size=1m");  // a refusal must be written somewhere
    else
        root.bind(policy.workspace, "/aloft/workspace", kUsers);
    if (policy.ruling != Ruling::enclave) return;
    const JobFiles files(site, policy.job);
    root.bind(files.grant, "/aloft/grant.json", kReadOnly);
    if (part == Part::batch) {
        root.bind(files.token, "/aloft/token", kReadOnly);
        return;
    }
    root.bind(files.keys, "/aloft/keys", kReadOnly);
    for (const std::string& name : policy.datasets) {
        const core::DatasetName dataset = core::parse_dataset_name(name);
        root.show(site.datasets / dataset.dataset / dataset.version, fs::path("/aloft/data") / name);
    }
}

}  // namespace

void enter_daemon_view(const core::Site& site, const Policy& policy, Part part, const SlurmPlaces& places) {
    must(::unshare(CLONE_NEWNS | CLONE_NEWIPC), "leave the host's namespaces");
    must(::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make mounts private");
    const Root root(site.run / "root");
    show_system(root);
    show_devices(root, policy);
    show_enclave(root, site, policy, part);
    for (const char* path : {"/tmp", "/var/tmp"}) root.tmpfs(path, "mode=1777");
    root.tmpfs("/run", "mode=0755,size=1m");
    // Slurm's own.
    root.bind("/sys/fs/cgroup", "/sys/fs/cgroup", kUsers, true);
    root.bind(places.spool, places.spool, kUsers);
    root.bind(places.munge, places.munge, kUsers);
    root.enter();
}

void enter_task_view(std::uint32_t job, std::uint32_t step, Part part, const SlurmPlaces& places,
                     const std::filesystem::path& script) {
    must(::unshare(CLONE_NEWNS), "leave slurmstepd's namespace");
    const fs::path kept = part == Part::batch
                              ? script.parent_path()
                              : places.spool / ("pmix." + std::to_string(job) + "." + std::to_string(step));
    core::Fd tree(static_cast<int>(
        ::syscall(SYS_open_tree, AT_FDCWD, kept.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
    if (!tree.is_open() && (part == Part::batch || errno != ENOENT)) must(-1, "open " + kept.string());
    must(::umount2(places.spool.c_str(), MNT_DETACH), "hide Slurm's spool");
    must(::umount2("/sys/fs/cgroup", MNT_DETACH), "hide the cgroups");
    if (part == Part::step) must(::umount2(places.munge.c_str(), MNT_DETACH), "hide munge");
    if (tree.is_open()) {
        core::make_directories(kept, 0755);
        must(::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, kept.c_str(), MOVE_MOUNT_F_EMPTY_PATH),
             "show " + kept.string());
    }
    // Other users' processes are none of a job's business; its own stay visible, and Landlock keeps them
    // apart.
    must(::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=invisible"),
         "mount /proc");
    mount_attr attr{};
    attr.attr_set = MOUNT_ATTR_RDONLY;
    must(::syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attr, sizeof attr), "seal the job's root");
}

}  // namespace slurm
