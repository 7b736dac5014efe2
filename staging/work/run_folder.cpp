#include "staging/work/run_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "core/base/error.h"
#include "core/base/event.h"
#include "staging/work/shuffle.h"
#include "staging/work/spill.h"

namespace staging {
namespace {

namespace fs = std::filesystem;

constexpr char kMark[] = "aloft-stage.work", kRun[] = "run", kLock[] = ".lock";
constexpr char kMarkText[] =
    "The work folder of an aloft-stage build: sealed samples that wait for their shard. It is removed when "
    "the\n"
    "build is done.\n";

// What a build writes into its work folder; all else there is somebody else's.
bool is_ours(const std::string& name) {
    for (const char* begin : {Spill::kSegment, "listing-", "receipt-", ".tmp-"})
        if (name.starts_with(begin)) return true;
    for (const char* end : {ShuffleFiles::kRecords, ShuffleFiles::kIndex, ".part"})
        if (name.ends_with(end)) return true;
    return name == kRun;
}

template <class Which>
void remove_if(const fs::path& folder, Which which, Disk& disk) {
    for (const std::string& name : names_in(folder, disk))
        if (which(name)) remove_file(folder / name, disk);
}

bool is_shard(const std::string& name) {
    return name.starts_with("shard-");
}

bool is_temporary(const std::string& name) {
    return name.starts_with(".tmp-");
}

// Holds nothing, or what a run left that was killed while it wrote its mark.
bool is_unused(const fs::path& folder) {
    for (const auto& entry : fs::directory_iterator(folder))
        if (!entry.path().filename().string().starts_with(std::string(".tmp-") + kMark)) return false;
    return true;
}

std::optional<RunFolder::Mark> read_mark(const fs::path& work, Disk& disk) {
    if (!exists(work / kRun, disk)) return std::nullopt;
    const std::string text = read_text(work / kRun, disk);
    const std::size_t end = text.find('\n');
    if (end == std::string::npos) return RunFolder::Mark{};  // being cleared when the run was killed
    return RunFolder::Mark{text.substr(0, end), text.substr(end + 1)};
}

}  // namespace

RunFolder::RunFolder(fs::path out, const fs::path& work, const std::string& version, Disk& disk)
    : disk_(disk), out_(std::move(out)), parent_(work), version_(version) {
    // By the version's place, so that two versions that share --work do not meet.
    work_ =
        work.empty()
            ? out_ / ".work"
            : work / ("aloft-stage-" + version + "-" +
                      core::to_hex(core::sha256(core::view(fs::absolute(out_).lexically_normal().string())))
                          .substr(0, 12));
}

bool RunFolder::has_manifest() const {
    return exists(out_ / "manifest.json", disk_);
}

// Locks that end with the process and hold between hosts where the file system has them (Lustre: mount with
// -o flock). Byte 0: the first rank of a build; byte 1: all of its ranks, some of which end later than others.
bool RunFolder::lock(int part, bool exclusive) {
    struct flock want {};
    want.l_type = static_cast<short>(exclusive ? F_WRLCK : F_RDLCK);
    want.l_whence = SEEK_SET;
    want.l_start = part;
    want.l_len = 1;
    if (::fcntl(lock_.get(), F_OFD_SETLK, &want) == 0) return true;
    if (errno != EAGAIN && errno != EACCES)
        throw core::Error(core::Fault::system,
                          core::with_errno("cannot lock " + (out_ / kLock).string(), errno));
    return false;
}

void RunFolder::claim(const core::Comm& comm) {
    const auto open_lock = [&] {
        lock_ = core::Fd(disk_.open((out_ / kLock).c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!lock_.is_open())
            throw core::Error(core::Fault::system,
                              core::with_errno("cannot lock " + (out_ / kLock).string(), errno));
    };
    core::together(comm, [&] {
        root_ = comm.is_root();
        if (!root_) return;
        make_folders(out_, 0755, disk_);
        make_folders(shards(), 0755, disk_);
        make_folders(reports(), 0750, disk_);
        // Ranks of a run that was killed a moment ago may still be ending.
        for (int tries = 0;; ++tries) {
            open_lock();
            struct stat held {
            }, named{};
            // A build that ends removes the file: then it is another one that counts.
            if (lock(0, true) && lock(1, true) && ::fstat(lock_.get(), &held) == 0 &&
                ::stat((out_ / kLock).c_str(), &named) == 0 && held.st_ino == named.st_ino)
                break;
            if (tries == 100)
                throw core::Error(core::Fault::system, "another build is at work in " + out_.string() +
                                                           ". Wait for it, or give another --out");
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
        lock(1, false);
        make_folders(work_, 0700, disk_);
        if (exists(work_ / kMark, disk_)) return;
        if (!is_unused(work_))
            throw core::Error(core::Fault::usage,
                              work_.string() +
                                  " holds files that no build of this version made. Remove "
                                  "it, or give another --work");
        core::write_atomically(work_ / kMark, std::string_view(kMarkText), 0600, disk_);
    });
    core::together(comm, [&] {
        if (root_) return;
        open_lock();
        if (!lock(1, false) || !exists(work_ / kMark, disk_))
            throw core::Error(core::Fault::system, "all ranks must share --out and --work");
    });
}

void RunFolder::check(const std::string& identity, bool discard) const {
    const auto mark = read_mark(work_, disk_);
    const bool foreign_shards = !mark && [&] {
        for (const std::string& name : names_in(shards(), disk_))
            if (is_shard(name)) return true;
        return false;
    }();
    const bool other = mark && !mark->identity.empty() && mark->identity != identity;
    if (discard || (!other && !foreign_shards)) return;
    throw core::Error(core::Fault::usage,
                      out_.string() +
                          " holds an unfinished build of another definition, profile or keys. Give "
                          "another --out, or --discard to remove what it has done");
}

bool RunFolder::prepare(const Mark& mark, bool discard) {
    check(mark.identity, discard);
    sweep();
    remove_if(shuffle(), is_ours, disk_);
    const auto before = read_mark(work_, disk_);
    const bool same = before && before->identity == mark.identity && before->input == mark.input;
    if (!same) {
        if (before && before->identity == mark.identity)
            core::Event("warning", "deliveries_changed")
                .with("text", "since this build was begun: what it had done is done again");
        // First: nothing that is left counts now.
        core::write_atomically(work_ / kRun, std::string_view(), 0600, disk_);
        const auto is_done = [](const std::string& name) {
            return name.starts_with(Spill::kSegment) || name.starts_with("receipt-");
        };
        remove_if(work_, is_done, disk_);
        remove_if(shards(), is_shard, disk_);
        for (const char* name : {"quality.json", "quality.html", "quarantine.jsonl"})
            remove_file(reports() / name, disk_);
        core::write_atomically(work_ / kRun, mark.identity + "\n" + mark.input, 0600, disk_);
    }
    make_folders(shuffle(), 0700, disk_);
    return same;
}

void RunFolder::sweep() const {
    for (const fs::path& folder : {out_, shards(), reports(), work_}) remove_if(folder, is_temporary, disk_);
}

void RunFolder::remove_work(const core::Comm& comm) {
    core::together(comm, [&] {
        if (!exists(work_ / kMark, disk_)) return;
        const auto is_mine = [&](const std::string& name) {
            return std::hash<std::string>()(name) % static_cast<std::size_t>(comm.size()) ==
                       static_cast<std::size_t>(comm.rank()) &&
                   is_ours(name);
        };
        for (const fs::path& folder : {shuffle(), work_}) remove_if(folder, is_mine, disk_);
    });
    core::together(comm, [&] {
        if (!comm.is_root()) return;
        std::error_code not_empty;
        fs::remove(shuffle(), not_empty);
        if (exists(work_, disk_)) {
            bool alone = true;
            for (const auto& entry : fs::directory_iterator(work_))
                alone = alone && entry.path().filename() == kMark;
            if (alone) {
                fs::remove(work_ / kMark);
                fs::remove(work_);
                core::sync_directory(work_.parent_path());
            } else {
                core::Event("warning", "work_folder_kept")
                    .with("text", "it holds files that no build made: " + work_.string());
            }
        }
        if (lock_.is_open()) fs::remove(out_ / kLock);
    });
}

}  // namespace staging
