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
#include "slurm/step/devices.h"
#include "slurm/step/image.h"
#include "slurm/step/mark.h"
#include "slurm/step/must.h"
#include "slurm/step/names.h"
#include "slurm/step/root.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;

std::string text_if_there(const char* path) {
    std::error_code none;
    return fs::exists(path, none) ? core::read_text(path) : "";
}

// A login shell (#!/bin/bash -l) sets PATH anew; for the order see wrapper_main.cpp.
constexpr const char* kProfile =
    "[ -z \"${SLURM_JOB_ID:-}\" ] || PATH=" ALOFT_PREFIX "/libexec/aloft/inside:" ALOFT_PREFIX
    "/bin:$PATH:" ALOFT_PREFIX "/libexec/aloft/inside/last\n";

// Read-only: a device is opened for writing all the same, but its times and owner stay as they are.
void show_device(const Root& root, const fs::path& device) {
    root.bind(device, device, MOUNT_ATTR_NOSUID | MOUNT_ATTR_RDONLY);
}

void show_enclave(const Root& root, const core::Site& site, const Policy& policy, Part part) {
    root.show_tree(ALOFT_PREFIX, ALOFT_PREFIX);
    for (const fs::path& tree : policy.software)
        if (tree != ALOFT_PREFIX) root.show_tree(tree, tree);
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

constexpr const char* kLibraryFolders[] = {"usr/lib/" ALOFT_LIBRARY_ARCHITECTURE, "usr/lib64", "usr/lib",
                                           "lib/" ALOFT_LIBRARY_ARCHITECTURE, "lib64"};

// Its path below `root`; empty if it is in none of the folders.
fs::path library_in(const fs::path& root, const std::string& name) {
    std::error_code none;
    for (const char* folder : kLibraryFolders)
        if (fs::is_symlink(fs::symlink_status(root / folder / name, none)) ||
            fs::exists(root / folder / name, none))
            return fs::path("/") / folder / name;
    return {};
}

// The mount, and what our own programs need in it that their system would have: from the view's overlays, so that a lock
// on them is this job's own.
void show_image(const Root& root, int mount) {
    root.folder(kImagePlace);
    must(::syscall(SYS_move_mount, mount, "", AT_FDCWD, root.inside(kImagePlace).c_str(),
                   MOVE_MOUNT_F_EMPTY_PATH),
         "show the image");
    for (const std::string& name : own_libraries())
        if (const fs::path file = library_in("/", name);
            !file.empty() && library_in(root.inside(kImagePlace), name).empty())
            root.bind(root.inside(fs::canonical(file)), fs::path(kLibraries) / name, kReadOnly);
}

}  // namespace

// /bin and its like are links into /usr on a merged system, folders on
// others.
void show_system(const Root& root, const Policy& policy,
                 const std::vector<std::pair<std::string, std::string>>& names, const Owner& owner) {
    root.show_tree("/usr", "/usr");
    const std::string hosts = text_if_there("/etc/hosts");
    root.file("/aloft/.etc/nsswitch.conf", nsswitch_text(text_if_there("/etc/nsswitch.conf")));
    root.file("/aloft/.etc/hosts", hosts_text(hosts, policy, names));
    root.file("/aloft/.etc/passwd", passwd_text(text_if_there("/etc/passwd"), owner));
    root.file("/aloft/.etc/group", group_text(text_if_there("/etc/group"), owner));
    root.file("/aloft/.etc/profile.d/zz-aloft.sh", kProfile);
    root.show_tree("/etc", "/etc", root.inside("/aloft/.etc"));
    for (const char* name : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
        struct stat status {};
        if (::lstat(name, &status)) continue;
        if (S_ISLNK(status.st_mode))
            root.link(fs::read_symlink(name), name);
        else
            root.show_tree(name, name);
    }
    root.bind("/sys", "/sys", kReadOnly);
    root.bind("/proc", "/proc", kUsers, true);
}

void show_devices(const Root& root, const Policy& policy, std::uint64_t shm_bytes) {
    root.tmpfs("/dev", "mode=0755,size=64k");
    for (const Device& row : kDevices)
        if (row.need == Device::Need::always) show_device(root, fs::path("/dev") / row.path);
    std::error_code none;
    for (const char* folder : {"/dev", "/dev/nvidia-caps"})
        for (const auto& entry : fs::directory_iterator(folder, none)) {
            const Device* row = device_row(entry.path().lexically_relative("/dev").string());
            if (row && row->need == Device::Need::if_there) show_device(root, entry.path());
        }
    if (policy.ruling == Ruling::enclave)
        for (const fs::path& device : policy.devices) show_device(root, device);
    root.link("/proc/self/fd", "/dev/fd");
    root.link("/proc/self/fd/0", "/dev/stdin");
    root.link("/proc/self/fd/1", "/dev/stdout");
    root.link("/proc/self/fd/2", "/dev/stderr");
    root.tmpfs("/dev/shm", "mode=1777,size=" + std::to_string(shm_bytes));
}

void seal_view() {
    // Other users' processes are none of a job's business; its own stay visible, and Landlock keeps them
    // apart.
    must(::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=invisible"),
         "mount /proc");
    mount_attr attr{};
    attr.attr_set = MOUNT_ATTR_RDONLY;
    must(::syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attr, sizeof attr), "seal the root");
}

MemoryShares memory_shares(std::uint64_t job_bytes, Part part) {
    constexpr std::uint64_t kWrapper = 16 << 20;  // its files are a script and what srun needs
    if (part == Part::batch) return {kWrapper, kWrapper, kWrapper};
    return {job_bytes / 2, job_bytes / 4, job_bytes / 8};
}

void enter_daemon_view(const core::Site& site, const Policy& policy, const ViewPlan& plan) {
    const MemoryShares shares = memory_shares(plan.job_bytes, plan.part);
    must(::unshare(CLONE_NEWNS | CLONE_NEWIPC), "leave the host's namespaces");
    must(::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make mounts private");
    const Root root(site.run / "root");
    show_system(root, policy, plan.names, {policy.account, policy.uid, plan.gid});
    show_devices(root, policy, shares.shm);
    show_enclave(root, site, policy, plan.part);
    if (plan.image >= 0) show_image(root, plan.image);
    root.tmpfs("/tmp", "mode=1777,size=" + std::to_string(shares.tmp));
    root.tmpfs("/var/tmp", "mode=1777,size=" + std::to_string(shares.var_tmp));
    root.tmpfs("/run", "mode=0755,size=1m");
    // Slurm's own.
    root.bind("/sys/fs/cgroup", "/sys/fs/cgroup", kUsers, true);
    root.bind(plan.places.spool, plan.places.spool, kUsers);
    root.bind(plan.places.munge, plan.places.munge, kUsers);
    if (policy.ruling == Ruling::enclave)
        root.file(kMark, mark_text(policy.job, plan.part, is_pure_cgroup2() ? Fenced::slurms : Fenced::ours));
    root.enter();
}

void enter_task_view(std::uint32_t job, std::uint32_t step, Part part, const SlurmPlaces& places,
                     const std::filesystem::path& script, const std::vector<fs::path>& over_image) {
    must(::unshare(CLONE_NEWNS), "leave slurmstepd's namespace");
    std::vector<std::pair<fs::path, core::Fd>> kept;
    const auto keep = [&kept](const fs::path& folder, bool may_lack) {
        core::Fd tree(static_cast<int>(
            ::syscall(SYS_open_tree, AT_FDCWD, folder.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
        if (!tree.is_open() && !(may_lack && errno == ENOENT)) must(-1, "open " + folder.string());
        if (tree.is_open()) kept.emplace_back(folder, std::move(tree));
    };
    if (part == Part::batch) {
        keep(script.parent_path(), false);
        // What a slurmd without files of its own has fetched, for srun.
        keep(places.spool / "conf-cache", true);
    } else {
        keep(places.spool / ("pmix." + std::to_string(job) + "." + std::to_string(step)), true);
    }
    must(::umount2(places.spool.c_str(), MNT_DETACH), "hide Slurm's spool");
    must(::umount2("/sys/fs/cgroup", MNT_DETACH), "hide the cgroups");
    if (part == Part::step) must(::umount2(places.munge.c_str(), MNT_DETACH), "hide munge");
    for (const auto& [folder, tree] : kept) {
        core::make_directories(folder, 0755);
        must(::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, folder.c_str(), MOVE_MOUNT_F_EMPTY_PATH),
             "show " + folder.string());
    }
    if (!over_image.empty()) {
        std::vector<fs::path> shown{"/dev", "/etc/aloft", "/run", "/sys", "/tmp", "/var/tmp"};
        shown.insert(shown.end(), over_image.begin(), over_image.end());
        for (const auto& one : kept) shown.push_back(one.first);
        enter_image(shown);
    }
    seal_view();
}

}  // namespace slurm
