#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/env.h"
#include "core/base/files.h"
#include "core/ledger/record.h"

// The ledger's writer and reader; verify.h checks one. FORMAT.md has the bytes.

namespace core {

// The only writer of a ledger file. Records are added to a batch and become durable together: nobody may be
// told that a record exists before commit() has returned. One thread.
class Ledger {
public:
    // A record that is known to be on disk, and the offset of its line: what the state was folded up to.
    struct Position {
        Head head;
        std::uint64_t line_at = 0;
    };

    // Opens or creates the file (0600) and locks it: a second writer is Error(system). What a crash leaves
    // and nobody was told of is cut: a torn last line; and, since a batch's later pages may have reached
    // the disk before its first, whatever follows `known` from the first line on that does not chain. It is
    // kept in a file beside, NAME.cut, for whoever wants to look. Throws Error(data) if the end of the file
    // is no record and `known` does not help. A checkpoint follows every `checkpoint_every` records.
    Ledger(const std::filesystem::path& path, SigningKey key, std::uint64_t checkpoint_every = 1000,
           const std::optional<Position>& known = std::nullopt, Env& env = Env::real());

    // Adds to the batch; returns the record as it will stand. Times run backwards only where
    // a clock that had been far ahead was set right.
    Record add(std::string_view actor, std::string_view kind, std::string_view subject,
               nlohmann::json details);
    // Signs everything up to here, unless the last record is a checkpoint already.
    void checkpoint();

    // Writes the batch and flushes it (fdatasync). On a full disk or a failed write nothing of the batch
    // remains, the head is what it was, and Error(system) is thrown. If the flush itself fails, what the disk
    // holds is unknown: Error(bug), and the process must end and open the ledger again.
    void commit();
    // Forgets the batch.
    void roll_back() noexcept;

    const Head& head() const noexcept { return head_; }                        // with the batch
    const Head& committed() const noexcept { return committed_; }              // without it
    std::uint64_t last_line_offset() const noexcept { return last_line_at_; }  // with the batch, bytes
    bool has_batch() const noexcept { return !batch_.empty(); }
    Witness witness() const { return Witness::sign(committed_, key_); }
    const VerifyKey& key() const noexcept { return key_.verify_key(); }
    std::uint64_t cut_bytes() const noexcept { return cut_bytes_; }  // of what nobody was told of, at opening

private:
    std::int64_t time_of_next() const;
    void append(std::string line);
    void find_end();
    std::uint64_t end_of_chain(const Position& known);
    void cut_to(std::uint64_t length);

    std::filesystem::path path_;
    Env& env_;
    SigningKey key_;
    std::uint64_t checkpoint_every_, since_checkpoint_ = 0, committed_since_ = 0, cut_bytes_ = 0;
    Fd fd_;
    std::uint64_t length_ = 0;  // bytes that are committed
    std::uint64_t last_line_at_ = 0, committed_line_at_ = 0;
    Head head_, committed_;
    std::int64_t last_time_ = 0, committed_time_ = 0;
    std::string batch_;
};

// Reads lines from `offset` in order, in constant memory. `visit` gets each complete line without its newline
// and the offset after it; returning false stops. An incomplete last line is not visited. Throws Error(data)
// on a line above 1 MiB: no record is that long.
void read_lines(const std::filesystem::path& path, std::uint64_t offset,
                const std::function<bool(std::string_view line, std::uint64_t next_offset)>& visit);

}  // namespace core
