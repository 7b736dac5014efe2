#include "core/ledger/verify.h"

#include <algorithm>
#include <string>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/ledger/ledger.h"

namespace core {
namespace {

std::string number(std::uint64_t n) {
    return std::to_string(n);
}

// The chain gives one place where it does not fit; these functions find out which record is to blame, by
// looking at the lines around the place and, for a missing record, at the rest of the file.
class Blame {
public:
    Blame(const std::filesystem::path& path, const std::vector<VerifyKey>& keys) : path_(path), keys_(keys) {}

    [[noreturn]] void changed(std::uint64_t seq) const {
        fail("record " + number(seq) + " (line " + number(seq) + ") was changed");
    }

    // Line `at` is no record at all. Either it was, or the line before it was split or joined.
    [[noreturn]] void not_a_record(std::uint64_t at, const std::string& before) const {
        changed(at > 1 && !is_whole(before) ? at - 1 : at);
    }

    // Nothing follows line `at`, so nothing vouches for it but its own form.
    void last_line(std::uint64_t at, const std::string& line) const {
        if (!is_whole(line)) changed(at);
    }

    // The checkpoint at line `at` fits the chain, its signature does not.
    [[noreturn]] void unsigned_checkpoint(std::uint64_t at, const Head& here) const {
        const std::string next = line_after(at);
        LineStart start;
        if (read_line_start(next, start) && start.prev != to_hex(here.sha256)) changed(at);
        if (next.empty())
            fail("record " + number(at) + " (line " + number(at) + "), a checkpoint, was changed, or " +
                 "not signed by this ledger's key");
        fail("record " + number(at) + " (line " + number(at) +
             "), a checkpoint, is not signed by this ledger's key: it, or records between it and the "
             "checkpoint "
             "before, were rewritten and chained again");
    }

    // Line `at` begins as a record, but its number or the hash it carries does not follow from the line
    // before.
    [[noreturn]] void does_not_follow(std::uint64_t at, const LineStart& start, const std::string& line,
                                      const std::string& before, const Head& previous) const {
        const bool fits = start.prev == to_hex(previous.sha256);
        if (fits) changed(at);                             // only its number differs
        if (at > 1 && !is_whole(before)) changed(at - 1);  // a line end was lost or made there
        if (start.seq == at) {                             // in place: which side of the link was touched?
            const Digest hash = sha256(view(line + "\n"));
            const std::string next = line_after(at);
            LineStart after;
            if (read_line_start(next, after)) changed(after.prev == to_hex(hash) && at > 1 ? at - 1 : at);
            if (start.is_checkpoint) changed(is_signed_checkpoint(line, keys_) && at > 1 ? at - 1 : at);
            if (at == 1) changed(1);
            fail("record " + number(at - 1) + " or " + number(at) +
                 ", the last of the file, was changed; a witness of the end would tell which");
        }
        if (start.seq < at)
            fail("record " + number(start.seq) + " stands a second time, at line " + number(at) +
                 ", in place of record " + number(at));
        if (const std::uint64_t elsewhere = line_of(at, at))
            fail("record " + number(at) + " was moved: it stands at line " + number(elsewhere) +
                 ", and record " + number(start.seq) + " in its place");
        fail("record " + number(at) + " was dropped: line " + number(at) + " holds record " +
             number(start.seq));
    }

    [[noreturn]] void fail(const std::string& text) const {
        throw Error(Fault::data, path_.string() + ": " + text);
    }

private:
    static bool is_whole(const std::string& line) { return nlohmann::json::accept(line); }

    std::string line_after(std::uint64_t at) const {
        std::uint64_t count = 0;
        std::string found;
        read_lines(path_, 0, [&](std::string_view line, std::uint64_t) {
            if (++count <= at) return true;
            found = line;
            return false;
        });
        return found;
    }

    // The line after `from` that holds record `seq`; 0 if none does.
    std::uint64_t line_of(std::uint64_t seq, std::uint64_t from) const {
        std::uint64_t count = 0, found = 0;
        read_lines(path_, 0, [&](std::string_view line, std::uint64_t) {
            LineStart start;
            if (++count > from && read_line_start(line, start) && start.seq == seq) found = count;
            return found == 0;
        });
        return found;
    }

    const std::filesystem::path& path_;
    const std::vector<VerifyKey>& keys_;
};

}  // namespace

VerifiedLedger verify_ledger(const std::filesystem::path& path, const std::vector<VerifyKey>& keys,
                             const std::optional<Witness>& witness) {
    if (witness && std::none_of(keys.begin(), keys.end(),
                                [&](const VerifyKey& key) { return witness->is_signed_by(key); }))
        throw Error(Fault::refused,
                    "the witness is not signed by this ledger's key; use the one that belongs to it");
    const Blame blame(path, keys);
    const Fd opened = open_regular(path);  // one that is not there, or not for this account, is said in words
    const std::uint64_t size_bytes =
        std::filesystem::file_size(path);  // before reading: aloftd may be appending
    VerifiedLedger result;
    std::string before;  // the line before, for blame
    std::string expected_prev = to_hex(result.head.sha256);
    std::uint64_t end = 0, line_number = 0;
    read_lines(path, 0, [&](std::string_view line, std::uint64_t next_offset) {
        ++line_number;
        LineStart start;
        if (!read_line_start(line, start)) blame.not_a_record(line_number, before);
        if (start.seq != line_number || start.prev != expected_prev)
            blame.does_not_follow(line_number, start, std::string(line), before, result.head);
        // The view ends where the newline stands: the hash covers it.
        const Head here{line_number,
                        sha256({reinterpret_cast<const std::uint8_t*>(line.data()), line.size() + 1})};
        if (start.is_checkpoint) {
            if (!is_signed_checkpoint(line, keys)) blame.unsigned_checkpoint(line_number, here);
            ++result.checkpoints;
            result.unsigned_records = 0;
        } else {
            ++result.unsigned_records;
        }
        if (witness && witness->head.seq == line_number && witness->head.sha256 != here.sha256)
            blame.fail("record " + number(line_number) +
                       " is not the one that the witness saw: it, or records before it, were rewritten");
        result.head = here;
        expected_prev = to_hex(here.sha256);
        before = line;
        end = next_offset;
        return true;
    });
    if (end < size_bytes)
        blame.fail("record " + number(line_number + 1) + " (line " + number(line_number + 1) +
                   "), the last, has no end: it was changed or cut");
    if (line_number > 0) blame.last_line(line_number, before);
    if (witness && witness->head.seq > result.head.seq)
        blame.fail("the end was cut: record " + number(result.head.seq + 1) + " to " +
                   number(witness->head.seq) + " are missing, which the witness saw");
    return result;
}

}  // namespace core
