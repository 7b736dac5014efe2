#pragma once
#include <csv.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "staging/read/messages.h"

namespace staging {

// A CSV file, a batch of rows at a time; runs in the worker. libcsv parses (RFC 4180, strict, streaming; it
// holds one field), we bound the field, check UTF-8 and pick the wanted columns. Fields are not trimmed;
// lines without any character are skipped; LF, CRLF and CR end a row.
class CsvReader {
public:
    CsvReader(core::Fd file, std::uint64_t file_bytes, const Wanted& wanted, const Limits& limits);
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
    void parse(std::span<std::uint8_t> chunk);
    void end_with(Reason reason, std::string detail = {});
    void emit(Reason reason, std::string detail = {});

    const core::Fd file_;
    const std::uint64_t declared_bytes_;
    const Wanted& wanted_;
    const Limits& limits_;
    csv_parser parser_{};
    Packer* message_ = nullptr;

    std::vector<std::string> header_;        // until the header row is complete
    std::vector<std::int64_t> column_of_;    // column -> index in Wanted, -1 for none
    bool in_header_ = true, ended_ = false;  // ended_: no more rows; the file is still hashed to its end
    Record row_;
    std::uint64_t rows_ = 0, row_bytes_ = 0;
    std::size_t fields_ = 0;
    Reason trouble_ = Reason::none;  // of the current row
    std::string trouble_detail_;

    core::Sha256 hash_;
    std::uint64_t read_bytes_ = 0;
    std::vector<std::uint8_t> chunk_;
};

}  // namespace staging
