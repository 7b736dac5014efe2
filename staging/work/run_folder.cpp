#include "staging/work/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "core/base/error.h"

namespace staging {
namespace {

namespace fs = std::filesystem;

void remove_matching(const fs::path& folder, const std::string& prefix) {
    if (!fs::is_directory(folder)) return;
    for (const auto& entry : fs::directory_iterator(folder))
        if (entry.path().filename().string().starts_with(prefix)) fs::remove(entry.path());
}

}  // namespace

RunFolder::RunFolder(fs::path out, fs::path work) : out_(std::move(out)), work_(std::move(work)) {
    if (work_.empty()) work_ = out_ / ".work";
}

bool RunFolder::has_manifest() const {
    return fs::exists(out_ / "manifest.json");
}

void RunFolder::claim() {
    core::make_directories(out_, 0755);
    core::make_directories(shards(), 0755);
    core::make_directories(reports(), 0750);
    core::make_directories(work_, 0700);
    lock_ = core::Fd(::open((work_ / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!lock_.is_open())
        throw core::Error(core::Fault::system, core::with_errno("cannot lock the work folder", errno));
    // Ranks of a run that was killed a moment ago may still be ending.
    for (int tries = 0; ::flock(lock_.get(), LOCK_EX | LOCK_NB); ++tries) {
        if (errno != EWOULDBLOCK)
            throw core::Error(core::Fault::system, core::with_errno("cannot lock the work folder", errno));
        if (tries == 100)
            throw core::Error(core::Fault::system,
                              "another build is at work in this folder. Wait for it, or give another --out");
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    ::flock(lock_.get(), LOCK_SH);
}

void RunFolder::join() {
    if (lock_.is_open()) return;
    lock_ = core::Fd(::open((work_ / "lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!lock_.is_open() || ::flock(lock_.get(), LOCK_SH | LOCK_NB))
        throw core::Error(core::Fault::system,
                          core::with_errno("cannot lock the work folder (all ranks must share it)", errno));
}

bool RunFolder::prepare(const std::string& fingerprint) {
    sweep();
    fs::remove_all(shuffle());
    const fs::path mark = work_ / "run";
    const bool same = fs::exists(mark) && core::read_text(mark) == fingerprint;
    if (!same) {
        fs::remove(mark);  // first: from here on nothing that is left counts
        core::sync_directory(work_);
        remove_matching(work_, "batch-");
        remove_matching(work_, "receipt-");
        remove_matching(shards(), "shard-");
        for (const char* name : {"quality.json", "quality.html", "quarantine.jsonl"})
            fs::remove(reports() / name);
        core::write_atomically(mark, fingerprint);
    }
    core::make_directories(shuffle(), 0700);
    return same;
}

void RunFolder::sweep() const {
    for (const fs::path& folder : {out_, shards(), reports(), work_}) remove_matching(folder, ".tmp-");
}

void RunFolder::remove_work() {
    sweep();
    fs::remove_all(work_);
    core::sync_directory(work_.parent_path());
}

}  // namespace staging
