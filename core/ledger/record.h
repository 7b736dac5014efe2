#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/keys/keys.h"

// One line of the ledger (FORMAT.md).

namespace core {

// The chain's end: the last record's number and the SHA-256 of its line with the newline. No records: 0,
// zeros.
struct Head {
    std::uint64_t seq = 0;
    Digest sha256{};
    bool operator==(const Head&) const = default;
};

struct Record {
    std::uint64_t seq = 0;
    std::int64_t time = 0;
    std::string actor;    // an account, "node:HOST", or "aloftd"
    std::string kind;     // "application.submitted"
    std::string subject;  // "A-...", "job:17"
    nlohmann::json details = nlohmann::json::object();
};

inline constexpr std::string_view kCheckpoint = "checkpoint";

// The line after `head` (record.seq must be head.seq + 1), newline included.
std::string to_line(const Record& record, const Head& head);
// A checkpoint's line: a record of aloftd whose last field signs every byte before it.
std::string checkpoint_line(std::int64_t time, const Head& head, const SigningKey& key);

// A line without its newline. Throws Error(data).
Record parse_record(std::string_view line);

// The fixed beginning of every line, cut out without parsing JSON.
struct LineStart {
    std::uint64_t seq = 0;
    std::string_view time, prev;  // 20 characters; 64 hex digits
    bool is_checkpoint = false;
};
// False if `line` (without newline) does not begin as every record does.
bool read_line_start(std::string_view line, LineStart& start) noexcept;
// True if the line of a checkpoint carries a signature of one of `keys` in its exact form: keys change over
// the years, and a ledger goes on.
bool is_signed_checkpoint(std::string_view line, const std::vector<VerifyKey>& keys);

// A head with the ledger's signature: what nodes' records, packages and auditors carry away.
struct Witness {
    Head head;
    std::array<std::uint8_t, 64> signature{};

    static Witness sign(const Head& head, const SigningKey& key);
    static Witness parse(std::string_view json);  // throws Error(data)
    std::string to_json() const;                  // one line without newline
    bool is_signed_by(const VerifyKey& key) const;
};

}  // namespace core
