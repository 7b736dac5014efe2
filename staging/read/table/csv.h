#pragma once
#include <csv.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "staging/read/codec/compressed.h"
#include "staging/read/messages.h"
#include "staging/read/read_at.h"
#include "staging/read/refused.h"
#include "staging/read/text/converter.h"
#include "staging/read/word.h"

namespace staging {

// A table in text, plain or compressed, a batch of rows at a time; runs in the worker. libcsv parses (RFC 4180, strict, streaming; it
// holds one field), we bound the field, decode it and pick the wanted columns. Fields are not trimmed; lines
// without any character are skipped; LF, CRLF and CR end a row. In every encoding of TableForm but UTF-16 a
// separator, a quote or a line end is itself and never a part of another character, so that fields can be
// decoded one by one; UTF-16 is decoded before it is parsed.
class CsvReader {
public:
    CsvReader(const ReadAt& file, std::uint64_t file_bytes, const Wanted& wanted, const Limits& limits);
    CsvReader(const CsvReader&) = delete;
    CsvReader& operator=(const CsvReader&) = delete;
    ~CsvReader();

    // Packs: for each row 1 and its Record; then 0, whether this was the end, and at the end the file's size
    // and SHA-256.
    void pack_rows(Packer& message);

private:
    static void on_field(void* text, std::size_t size, void* self);
    static void on_row(int terminator, void* self);
    void field(std::string_view text);
    void header_row();
    void data_row();
    std::size_t read_chunk();
    void take(std::span<std::uint8_t> chunk);
    void finish();
    void parse(std::span<std::uint8_t> chunk);
    void parse_utf16(core::ByteView chunk, bool at_end);
    bool decode(std::string_view text, std::string& out) const;
    Word hint() const;
    void end_with(Reason reason, Word detail = {});
    void emit(Reason reason, Word detail = {});

    const ReadAt file_;  // hashes what it reads
    const std::uint64_t declared_bytes_;
    const Wanted& wanted_;
    const Limits& limits_;
    csv_parser parser_{};
    Packer* message_ = nullptr;

    const Encoding encoding_;
    const bool is_utf16_;
    bool big_endian_ = false, knows_order_ = false;  // UTF-16
    core::Bytes undecoded_;                          // UTF-16: what a chunk ended in the middle of
    std::uint32_t titles_left_;
    core::Bytes beginning_;  // of the file: for hint()

    std::vector<std::string> header_;        // until the header row is complete
    std::vector<std::int64_t> column_of_;    // column -> index in Wanted, -1 for none
    bool in_header_ = true, ended_ = false;  // ended_: no more rows; the file is still hashed to its end
    bool has_line_ = false;                  // the first was seen
    bool is_whole_ = false;                  // the last row was told
    Record row_;
    std::uint64_t rows_ = 0, row_bytes_ = 0;
    std::size_t fields_ = 0;
    Reason trouble_ = Reason::none;  // of the current row
    Word trouble_detail_;

    std::optional<Refused> unread_;  // why the beginning could not be read
    const Compression* compression_ = nullptr;
    std::optional<Decompressor> decompressor_;  // from the first chunk on
    core::Sha256 hash_;
    std::uint64_t read_bytes_ = 0, came_ = 0;  // of the file; of the table, and of the file behind it
    std::vector<std::uint8_t> chunk_;
};

}  // namespace staging
