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

#include "core/base/child.h"
#include "core/base/event.h"
#include "core/base/files.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kGpuPatience{
    30};  // nvidia-smi without a persistent driver takes 10 s and more

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

// By descriptors and without following links: others may rename folders under our feet. One descriptor at any
// depth: an account can make a tree deeper than a process may have files open.
class Walk {
public:
    Walk(std::uint32_t uid, std::string& left) : uid_(uid), left_(left) {}

    // Only what is the account's counts: a tree of somebody else's that is too large to search is none of it.
    // Its own are removed however many there are; `patience` is how long none of them may turn up.
    std::uint64_t clean(const std::string& top, std::chrono::milliseconds patience) {
        patience_ = patience;
        seen();
        if (!enter(AT_FDCWD, top.c_str())) return 0;
        while (!levels_.empty()) {
            if (steady_clock::now() > end_) {
                core::Event("warning", "folder_not_searched")
                    .with("folder", top)
                    .with("depth", levels_.size());
                break;
            }
            Level& level = levels_.back();
            if (level.folders.empty()) {
                if (!leave_folder()) break;
                continue;
            }
            const std::string name = std::move(level.folders.back());
            level.folders.pop_back();
            enter(at_.get(), name.c_str());
        }
        return count_;
    }

private:
    struct Level {
        std::string name;
        struct stat status {};
        std::vector<std::string> folders;  // still to be entered
    };

    void seen() { end_ = steady_clock::now() + patience_; }

    // Removes the account's files in it, and goes on there.
    bool enter(int parent, const char* name) {
        core::Fd fd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        Level level{name, {}, {}};
        if (!fd.is_open() || ::fstat(fd.get(), &level.status))
            return false;  // gone, or not a folder any more
        if (!levels_.empty() && level.status.st_dev != levels_.front().status.st_dev) return false;
        const Folder list(::fdopendir(::openat(fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
        if (!list) return false;
        while (const dirent* entry = ::readdir(list.get())) {
            if (!std::strcmp(entry->d_name, ".") || !std::strcmp(entry->d_name, "..")) continue;
            if (entry->d_type == DT_DIR) {
                level.folders.emplace_back(entry->d_name);
                continue;
            }
            struct stat status {};
            if (::fstatat(fd.get(), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) ||
                status.st_dev != level.status.st_dev)
                continue;
            if (S_ISDIR(status.st_mode))
                level.folders.emplace_back(entry->d_name);
            else if (status.st_uid == uid_)
                remove(fd.get(), entry->d_name, false);
        }
        levels_.push_back(std::move(level));
        at_ = std::move(fd);
        return true;
    }

    // Back to the folder above, if it still is the one that we came from; removes the one below if it is the account's.
    bool leave_folder() {
        const Level below = std::move(levels_.back());
        levels_.pop_back();
        if (levels_.empty()) return true;  // the top itself is not the account's to have
        core::Fd above(::openat(at_.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        struct stat status {};
        if (!above.is_open() || ::fstat(above.get(), &status) ||
            status.st_dev != levels_.back().status.st_dev || status.st_ino != levels_.back().status.st_ino) {
            if (below.status.st_uid == uid_) leave(left_, "a folder of the account that moves");
            return false;
        }
        at_ = std::move(above);
        if (below.status.st_uid == uid_) remove(at_.get(), below.name.c_str(), true);
        return true;
    }

    void remove(int at, const char* name, bool is_folder) {
        seen();
        if (::unlinkat(at, name, is_folder ? AT_REMOVEDIR : 0) == 0)
            ++count_;
        else if (errno != ENOENT)
            leave(left_, is_folder ? "a folder of the account with others' files" : "a file of the account");
    }

    const std::uint32_t uid_;
    std::string& left_;
    std::chrono::milliseconds patience_{0};
    steady_clock::time_point end_;
    std::uint64_t count_ = 0;
    core::Fd at_;  // the last of levels_
    std::vector<Level> levels_;
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

}  // namespace

nlohmann::json Scrubbed::to_json() const {
    return {{"processes", processes}, {"ipc", ipc}, {"files", files}, {"mounts", mounts}, {"left", left}};
}

std::uint64_t scrub_files(std::uint32_t uid, const fs::path& folder, std::string& left,
                          std::chrono::milliseconds patience) {
    std::error_code failed;
    const fs::path resolved =
        fs::canonical(folder, failed);  // /var/tmp may be a link; below, none is followed
    return failed ? 0 : Walk(uid, left).clean(resolved.string(), patience);
}

// The driver zeroes memory when its last user goes; a process that still computes there has it. It takes the driver
// seconds to see that a killed process is gone. Names of processes can be forged, so owners count: MPS and DCGM of
// root or of an account of their own are no users.
void scrub_gpus(std::uint32_t uid, const fs::path& nvidia_smi, std::chrono::milliseconds patience,
                std::string& left) {
    if (!fs::exists(nvidia_smi)) return;
    const auto end = steady_clock::now() + patience;
    while (true) {
        const auto answer = core::output_of(
            {nvidia_smi.string(), "--query-compute-apps=pid", "--format=csv,noheader"}, kGpuPatience);
        bool is_used = false;
        std::istringstream lines(answer.value_or(""));
        for (std::string line; std::getline(lines, line);) {
            const auto begin = line.find_first_of("0123456789");
            if (begin == std::string::npos) continue;
            struct stat owner {};
            const std::string process =
                "/proc/" + std::to_string(std::strtoul(line.c_str() + begin, nullptr, 10));
            is_used = is_used || ::stat(process.c_str(), &owner) || owner.st_uid == uid;
        }
        if (answer && !is_used) return;
        if (steady_clock::now() > end)
            return leave(left, answer ? "a process that still has memory of a GPU"
                                      : "GPUs that nvidia-smi cannot look at");
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
}

Scrubbed scrub(std::uint32_t uid, const std::vector<fs::path>& folders, const fs::path& run) {
    Scrubbed scrubbed;
    if (uid == 0) return scrubbed;
    scrubbed.processes = scrub_processes(uid, scrubbed.left);
    scrubbed.ipc = scrub_ipc(uid, scrubbed.left);
    for (const fs::path& folder : folders) scrubbed.files += scrub_files(uid, folder, scrubbed.left);
    scrubbed.mounts = scrub_mounts(run, scrubbed.left);
    scrub_gpus(uid, "/usr/bin/nvidia-smi", kGpuPatience, scrubbed.left);
    return scrubbed;
}

}  // namespace slurm
