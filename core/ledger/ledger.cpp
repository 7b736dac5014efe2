#include "core/ledger/ledger.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/base/error.h"
#include "core/base/time.h"

namespace core {
namespace {

constexpr std::size_t kLineLimitBytes = 1 << 20;
constexpr std::int64_t kSetBackSeconds = 3600;  // by a correction, or a wrong zone for an hour

Head head_after(std::uint64_t seq, std::string_view line_with_newline) {
    return {seq, sha256(view(line_with_newline))};
}

std::string read_at(int fd, std::uint64_t offset, std::size_t size) {
    std::string bytes(size, '\0');
    std::size_t done = 0;
    while (done < size) {
        const ssize_t got = ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw Error(Fault::system, with_errno("cannot read the ledger", errno));
        if (got == 0) break;
        done += static_cast<std::size_t>(got);
    }
    bytes.resize(done);
    return bytes;
}

}  // namespace

Ledger::Ledger(const std::filesystem::path& path, SigningKey key, std::uint64_t checkpoint_every,
               const std::optional<Position>& known, Env& env)
    : path_(path),
      env_(env),
      key_(std::move(key)),
      checkpoint_every_(std::max<std::uint64_t>(checkpoint_every, 2)) {
    fd_ = Fd(env_.open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd_.is_open())
        throw Error(Fault::system, with_errno("cannot open the ledger " + path.string(), errno));
    if (::flock(fd_.get(), LOCK_EX | LOCK_NB))
        throw Error(Fault::system, path.string() + ": another aloftd is writing this ledger");
    sync_directory(path.parent_path(), env_);
    struct stat status {};
    if (::fstat(fd_.get(), &status))
        throw Error(Fault::system, with_errno("cannot examine the ledger", errno));
    length_ = static_cast<std::uint64_t>(status.st_size);
    if (known) cut_to(end_of_chain(*known));
    find_end();
    committed_ = head_;
    committed_time_ = last_time_;
}

// The end of the last line that chains on from `known`; the file's length if `known` is not of this file. A
// line is vouched for by the next one; the last must at least be whole.
std::uint64_t Ledger::end_of_chain(const Position& known) {
    Head head;
    std::uint64_t end = length_, end_before = length_;
    try {
        read_lines(path_, known.line_at, [&](std::string_view line, std::uint64_t next) {
            const Head here = head_after(head.seq + 1, std::string(line) + "\n");
            LineStart start;
            if (!read_line_start(line, start) || !nlohmann::json::accept(line)) return false;
            if (head.seq == 0) {
                if (start.seq != known.head.seq || here.sha256 != known.head.sha256) return false;
            } else if (start.seq != head.seq + 1 || start.prev != to_hex(head.sha256)) {
                end = end_before;  // which of the two is damaged nobody can tell
                return false;
            }
            head = {start.seq, here.sha256};
            end_before = head.seq == known.head.seq ? next : end;
            end = next;
            return true;
        });
    } catch (const Error& e) {  // pages of zeros: a line without an end
        if (e.fault() != Fault::data) throw;
    }
    return end;
}

void Ledger::cut_to(std::uint64_t length) {
    if (length >= length_) return;
    const std::string cut = read_at(fd_.get(), length, static_cast<std::size_t>(length_ - length));
    write_atomically(path_.string() + ".cut", cut, 0600);
    cut_bytes_ += length_ - length;
    length_ = length;
    if (env_.ftruncate(fd_.get(), static_cast<off_t>(length)) || env_.fdatasync(fd_.get()))
        throw Error(Fault::system, with_errno("cannot cut the torn end of the ledger", errno));
}

// Only the end is read: whether the rest is as it was is verify_ledger's question.
void Ledger::find_end() {
    if (length_ == 0) return;
    const std::size_t window =
        static_cast<std::size_t>(std::min<std::uint64_t>(length_, 2 * kLineLimitBytes));
    std::string tail = read_at(fd_.get(), length_ - window, window);
    const std::size_t newline = tail.rfind('\n');
    const std::size_t keep = newline == std::string::npos ? 0 : newline + 1;
    if (keep == 0 && window < length_)
        throw Error(Fault::data,
                    path_.string() + ": the end is not a record; verify it before anything else");
    if (keep < tail.size()) {
        cut_to(length_ - (tail.size() - keep));
        tail.resize(keep);
    }
    if (tail.empty()) return;
    const std::size_t before = tail.size() < 2 ? std::string::npos : tail.rfind('\n', tail.size() - 2);
    const std::string_view last = std::string_view(tail).substr(before == std::string::npos ? 0 : before + 1);
    const Record record = parse_record(last.substr(0, last.size() - 1));
    head_ = head_after(record.seq, last);
    last_line_at_ = committed_line_at_ = length_ - last.size();
    last_time_ = record.time;
    since_checkpoint_ = committed_since_ = record.kind == kCheckpoint ? 0 : 1;
}

void Ledger::append(std::string line) {
    head_ = head_after(head_.seq + 1, line);
    last_line_at_ = length_ + batch_.size();
    batch_ += line;
}

// A clock that is set back a little does not reorder the ledger. One that had jumped far ahead and was set right must not keep
// all times that follow where it had been: then they go on from now, and the numbers of records say what came first.
std::int64_t Ledger::time_of_next() const {
    const std::int64_t now = env_.now();
    return last_time_ > now && last_time_ - now <= kSetBackSeconds ? last_time_ : now;
}

Record Ledger::add(std::string_view actor, std::string_view kind, std::string_view subject,
                   nlohmann::json details) {
    Record record;
    record.seq = head_.seq + 1;
    record.time = last_time_ = time_of_next();
    record.actor = actor;
    record.kind = kind;
    record.subject = subject;
    if (!details.is_null()) record.details = std::move(details);
    std::string line = to_line(record, head_);
    LineStart start;
    if (!read_line_start(std::string_view(line).substr(0, line.size() - 1), start) || start.is_checkpoint)
        throw Error(Fault::bug, "a record's details are no object, or would pass for a checkpoint");
    if (line.size() > kLineLimitBytes) throw Error(Fault::usage, "a record would be above 1 MiB; send less");
    last_time_ = record.time;
    append(std::move(line));
    if (++since_checkpoint_ >= checkpoint_every_) checkpoint();
    return record;
}

void Ledger::checkpoint() {
    if (since_checkpoint_ == 0) return;
    last_time_ = time_of_next();
    append(checkpoint_line(last_time_, head_, key_));
    since_checkpoint_ = 0;
}

void Ledger::commit() {
    if (batch_.empty()) return;
    std::size_t done = 0;
    while (done < batch_.size()) {
        const ssize_t written = env_.pwrite(fd_.get(), batch_.data() + done, batch_.size() - done,
                                            static_cast<off_t>(length_ + done));
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            const int why = written < 0 ? errno : ENOSPC;
            roll_back();
            if (env_.ftruncate(fd_.get(), static_cast<off_t>(length_)) || env_.fdatasync(fd_.get()))
                throw Error(Fault::bug,
                            with_errno("cannot take back a half-written batch of the ledger", errno));
            throw Error(Fault::system,
                        with_errno("the ledger cannot be written, so nothing was done. Make room and "
                                   "try again",
                                   why));
        }
        done += static_cast<std::size_t>(written);
    }
    // After a failed flush the kernel may have dropped the pages: only opening again tells what is there.
    if (env_.fdatasync(fd_.get())) throw Error(Fault::bug, with_errno("cannot flush the ledger", errno));
    length_ += batch_.size();
    committed_ = head_;
    committed_line_at_ = last_line_at_;
    committed_time_ = last_time_;
    committed_since_ = since_checkpoint_;
    batch_.clear();
}

void Ledger::roll_back() noexcept {
    batch_.clear();
    head_ = committed_;
    last_line_at_ = committed_line_at_;
    last_time_ = committed_time_;
    since_checkpoint_ = committed_since_;
}

void read_lines(const std::filesystem::path& path, std::uint64_t offset,
                const std::function<bool(std::string_view, std::uint64_t)>& visit) {
    const Fd fd = open_regular(path);
    std::string buffer;
    std::size_t begin = 0;  // of the line that is being completed
    std::uint64_t at = offset;
    for (;;) {
        buffer.erase(0, begin);
        begin = 0;
        if (buffer.size() > kLineLimitBytes)
            throw Error(Fault::data, path.string() + ": a line is above 1 MiB; no record is that long");
        const std::string more = read_at(fd.get(), at, 1 << 20);
        if (more.empty()) return;
        const std::size_t scanned = buffer.size();
        buffer += more;
        at += more.size();
        for (std::size_t newline = buffer.find('\n', scanned); newline != std::string::npos;
             newline = buffer.find('\n', begin)) {
            const std::string_view line(buffer.data() + begin, newline - begin);
            begin = newline + 1;
            if (!visit(line, at - (buffer.size() - begin))) return;
        }
    }
}

}  // namespace core
