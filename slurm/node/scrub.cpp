#include "slurm/node/scrub.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "core/base/files.h"
#include "core/base/child.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr int kDepth = 256;  // folders in folders; deeper ones are not a program's but an attack

struct CloseFolder {
    void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

void leave(std::string& left, const std::string& what) {
    if (left.size() < 200) left += (left.empty() ? "" : "; ") + what;
}

std::vector<pid_t> processes_of(std::uint32_t uid) {
    std::vector<pid_t> found;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator("/proc", none)) {
        const std::string name = entry.path().filename().string();
        struct stat owner {};
        if (name.find_first_not_of("0123456789") == std::string::npos &&
            ::stat(entry.path().c_str(), &owner) == 0 && owner.st_uid == uid)
            found.push_back(static_cast<pid_t>(std::stol(name)));
    }
    return found;
}

std::uint64_t scrub_processes(std::uint32_t uid, std::string& left) {
    const auto end = steady_clock::now() + std::chrono::seconds(5);
    std::uint64_t count = 0;
    for (auto found = processes_of(uid); !found.empty(); found = processes_of(uid)) {
        count = std::max<std::uint64_t>(count, found.size());
        for (const pid_t process : found) ::kill(process, SIGKILL);
        if (steady_clock::now() > end) {
            leave(left, "processes of the account do not die");
            break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return count;
}

// Identifiers in a table of /proc/sysvipc whose row belongs to `uid`.
std::vector<int> ipc_of(const char* table, const char* id_column, std::uint32_t uid) {
    std::ifstream file(std::string("/proc/sysvipc/") + table);
    std::string line, word;
    std::getline(file, line);
    int id_at = -1, uid_at = -1;
    std::istringstream names(line);
    for (int at = 0; names >> word; ++at) {
        if (word == id_column) id_at = at;
        if (word == "uid") uid_at = at;
    }
    std::vector<int> found;
    while (id_at >= 0 && uid_at >= 0 && std::getline(file, line)) {
        std::istringstream words(line);
        long id = -1, owner = -1;
        for (int at = 0; words >> word; ++at) {
            if (at == id_at) id = std::atol(word.c_str());
            if (at == uid_at) owner = std::atol(word.c_str());
        }
        if (owner == static_cast<long>(uid)) found.push_back(static_cast<int>(id));
    }
    return found;
}

std::uint64_t scrub_ipc(std::uint32_t uid, std::string& left) {
    std::uint64_t count = 0;
    const auto removed = [&](int result) {
        result ? leave(left, "System V IPC of the account") : void(++count);
    };
    for (const int id : ipc_of("shm", "shmid", uid)) removed(::shmctl(id, IPC_RMID, nullptr));
    for (const int id : ipc_of("sem", "semid", uid)) removed(::semctl(id, 0, IPC_RMID));
    for (const int id : ipc_of("msg", "msqid", uid)) removed(::msgctl(id, IPC_RMID, nullptr));
    return count + (fs::exists("/dev/mqueue") ? scrub_files(uid, "/dev/mqueue", left) : 0);
}

struct Walk {
    std::uint32_t uid;
    dev_t device;
    steady_clock::time_point end;
    std::uint64_t count = 0;
    std::string& left;

    // By descriptors and without following links: others may rename folders under our feet.
    void clean(int parent, const char* name, int depth) {
        Folder folder(::fdopendir(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)));
        if (!folder) return;  // gone, or not a folder any more
        if (depth > kDepth || steady_clock::now() > end)
            return leave(left, "a folder tree that is too deep, or too large to search in time");
        const int at = ::dirfd(folder.get());
        while (const dirent* entry = ::readdir(folder.get())) {
            if (!std::strcmp(entry->d_name, ".") || !std::strcmp(entry->d_name, "..")) continue;
            struct stat status {};
            if (::fstatat(at, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) || status.st_dev != device)
                continue;
            const bool is_folder = S_ISDIR(status.st_mode);
            if (is_folder) clean(at, entry->d_name, depth + 1);
            if (status.st_uid == uid) remove(at, entry->d_name, is_folder);
        }
    }

    void remove(int at, const char* name, bool is_folder) {
        if (::unlinkat(at, name, is_folder ? AT_REMOVEDIR : 0) == 0)
            ++count;
        else if (errno != ENOENT)
            leave(left, is_folder ? "a folder of the account with others' files" : "a file of the account");
    }
};

// The fence mounts in namespaces of its own; a mount of it in the node's would keep data within reach.
std::uint64_t scrub_mounts(const fs::path& run, std::string& left) {
    std::vector<std::string> points;
    std::ifstream mounts("/proc/self/mounts");
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        std::string device, point;
        words >> device >> point;
        if (point.starts_with((run / "root").string()) || point.starts_with((run / "jobs").string()))
            points.push_back(point);
    }
    std::uint64_t count = 0;
    for (auto point = points.rbegin(); point != points.rend(); ++point)
        ::umount2(point->c_str(), MNT_DETACH) ? leave(left, "a mount of the fence") : void(++count);
    return count;
}

// The driver zeroes memory when its last user goes; a process that still computes there has it.
void look_at_gpus(std::string& left) {
    if (!fs::exists("/usr/bin/nvidia-smi")) return;
    const auto users = core::output_of({"/usr/bin/nvidia-smi", "--query-compute-apps=pid", "--format=csv,noheader"},
                                 std::chrono::seconds(5));
    if (!users) leave(left, "GPUs that nvidia-smi cannot look at");
    if (users && users->find_first_of("0123456789") != std::string::npos)
        leave(left, "a process that still has memory of a GPU");
}

}  // namespace

nlohmann::json Scrubbed::to_json() const {
    return {{"processes", processes}, {"ipc", ipc}, {"files", files}, {"mounts", mounts}, {"left", left}};
}

std::uint64_t scrub_files(std::uint32_t uid, const fs::path& folder, std::string& left) {
    struct stat status {};
    if (::stat(folder.c_str(), &status)) return 0;
    Walk walk{uid, status.st_dev, steady_clock::now() + std::chrono::seconds(20), 0, left};
    const std::string resolved =
        fs::canonical(folder).string();  // /var/tmp may be a link; below, none is followed
    walk.clean(AT_FDCWD, resolved.c_str(), 0);
    return walk.count;
}

Scrubbed scrub(std::uint32_t uid, const std::vector<fs::path>& folders, const fs::path& run) {
    Scrubbed scrubbed;
    if (uid == 0) return scrubbed;
    scrubbed.processes = scrub_processes(uid, scrubbed.left);
    scrubbed.ipc = scrub_ipc(uid, scrubbed.left);
    for (const fs::path& folder : folders) scrubbed.files += scrub_files(uid, folder, scrubbed.left);
    scrubbed.mounts = scrub_mounts(run, scrubbed.left);
    look_at_gpus(scrubbed.left);
    return scrubbed;
}

}  // namespace slurm
