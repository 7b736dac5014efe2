#include "slurm/session/view.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <iostream>

#include "core/base/error.h"
#include "slurm/step/must.h"
#include "slurm/step/root.h"
#include "slurm/step/view.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;

constexpr const char* kRoot = "/run/aloft-session";
constexpr const char* kMunge = "/run/munge/munge.socket.2";
// A login host is for submitting and looking; what is large belongs into the workspace. What lies in these is
// memory, and a person may have several sessions.
constexpr std::uint64_t kShmBytes = 64 << 20;
constexpr const char* kTmp = "mode=1777,size=256m";

// The socket itself and not its folder: a folder that is open can be locked, and others see that. So a daemon
// that is started again is reached by new sessions only.
void show_socket(const Root& root, const fs::path& socket, const char* whose) {
    struct stat status {};
    if (::stat(socket.c_str(), &status) || !S_ISSOCK(status.st_mode)) {
        std::cerr << "aloft-session: " << whose
                  << " does not run on this host now; log in again when it does\n";
        return;
    }
    root.bind(socket, socket, kUsers);
}

}  // namespace

void enter_session_view(const core::Site& site, const SessionAccount& account, const Reach& reach) {
    must(::unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS), "leave the host's namespaces");
    must(::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make mounts private");
    Policy policy;  // of no job: what the view takes from it are addresses
    policy.ruling = Ruling::deny;
    policy.peers = reach.peers;
    policy.nodes = reach.controllers;
    const Root root(kRoot);
    show_system(root, policy, {}, {account.name, account.uid, account.gid});
    show_devices(root, policy, kShmBytes);
    root.bind("/dev/tty", "/dev/tty", MOUNT_ATTR_NOSUID | MOUNT_ATTR_RDONLY);  // each process's own terminal
    root.show_tree(ALOFT_PREFIX, ALOFT_PREFIX);
    for (const fs::path& tree : account.enclave.software)
        if (tree != ALOFT_PREFIX && fs::exists(tree)) root.show_tree(tree, tree);
    root.bind(account.workspace, "/aloft/workspace", kUsers);
    root.tmpfs("/tmp", kTmp);
    root.tmpfs("/var/tmp", kTmp);
    root.tmpfs("/run", "mode=0755,size=1m");
    show_socket(root, kMunge, "munged");
    show_socket(root, site.socket, "aloftd");
    root.enter();
    seal_view();
}

}  // namespace slurm
