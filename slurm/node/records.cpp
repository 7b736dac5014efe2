#include "slurm/node/records.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/ledger/spool.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;

constexpr std::chrono::minutes kHalfWritten{1};

core::Site with_spool(core::Site site, const fs::path& spool) {
    site.spool = spool;
    std::error_code none;
    if (fs::is_directory(site.mirror, none)) site.published = site.mirror;  // for the witness
    return site;
}

// HOST's folder and what lies in it belong to whoever owns the spool, so that aloftd can remove what it has
// collected.
fs::path shared_folder(const core::Site& site, struct stat& owner) {
    const fs::path folder = site.spool / core::short_host_name();
    if (::stat(site.spool.c_str(), &owner))
        throw Error(Fault::system, core::with_errno("cannot look at the spool", errno));
    if (::mkdir(folder.c_str(), 0700) && errno != EEXIST)
        throw Error(Fault::system, core::with_errno("cannot make this node's spool folder", errno));
    struct stat status {};
    if (::lstat(folder.c_str(), &status) || !S_ISDIR(status.st_mode))
        throw Error(Fault::system, "this node's spool folder is not a folder");
    if (status.st_uid != owner.st_uid && ::lchown(folder.c_str(), owner.st_uid, owner.st_gid))
        throw Error(Fault::system, core::with_errno("cannot hand over this node's spool folder", errno));
    return folder;
}

// What was being written when the node lost power. A write takes no minutes.
void remove_half_written(const fs::path& file) {
    std::error_code error;
    const auto written = fs::last_write_time(file, error);
    if (!error && fs::file_time_type::clock::now() - written > kHalfWritten) fs::remove(file, error);
}

}  // namespace

void record_job(const core::Site& site, const char* kind, const Policy& policy, nlohmann::json details,
                const fs::path& state) {
    details.update({{"job", policy.job},
                    {"account", policy.account},
                    {"enclave", policy.enclave},
                    {"grant", policy.grant}});
    core::make_directories(state / "spool", 0700);
    core::spool_record(with_spool(site, state / "spool"), kind, "job:" + std::to_string(policy.job), details);
}

void forward_records(const core::Site& site, const fs::path& state) {
    const fs::path local = state / "spool" / core::short_host_name();
    std::vector<fs::path> records;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(local, none)) {
        if (entry.path().filename().string().starts_with("."))
            remove_half_written(entry.path());
        else if (entry.path().extension() == ".json")
            records.push_back(entry.path());
    }
    if (records.empty()) return;
    const core::Fd lock(::open((state / "forward.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock.is_open() || ::flock(lock.get(), LOCK_EX | LOCK_NB)) return;  // somebody is at it
    std::sort(records.begin(), records.end());                              // their names are times
    struct stat owner {};
    const fs::path shared = shared_folder(site, owner);
    for (const auto& entry : fs::directory_iterator(shared, none))
        if (entry.path().filename().string().starts_with(".")) remove_half_written(entry.path());
    for (const fs::path& record : records) {
        if (!fs::exists(record)) continue;
        core::AtomicFile copy(shared / record.filename(), 0600);
        copy.write(core::read_file(record));
        if (::geteuid() == 0 && ::fchown(copy.fd(), owner.st_uid, owner.st_gid))
            throw Error(Fault::system, core::with_errno("cannot hand over a node record", errno));
        copy.commit();
        fs::remove(record);
    }
}

void try_to_forward(std::chrono::milliseconds patience) noexcept {
    std::string program = "/proc/self/exe", word = "forward";
    char* words[] = {program.data(), word.data(), nullptr};
    char* environment[] = {nullptr};
    pid_t child = 0;
    if (::posix_spawn(&child, program.c_str(), nullptr, nullptr, words, environment)) return;
    const auto end = std::chrono::steady_clock::now() + patience;
    while (::waitpid(child, nullptr, WNOHANG) == 0) {
        if (std::chrono::steady_clock::now() > end) {
            ::kill(child, SIGKILL);  // one in the middle of a call that does not return dies later
            ::waitpid(child, nullptr, WNOHANG);
            return;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
}

}  // namespace slurm
