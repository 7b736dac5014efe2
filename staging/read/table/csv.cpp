#include "staging/read/table/csv.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <new>

#include "staging/read/table/utf8.h"

namespace staging {
namespace {

// What one chunk gives must fit into a message: at most about 60 bytes for each of its bytes (a row of one
// empty field), and one row before it.
constexpr std::size_t kChunk = 64 << 10;
static_assert(kChunk * 60 + (2 << 20) <= kMessageBytes);
constexpr std::size_t kBatch = 1 << 20;  // bytes of a message that are worth a round trip
constexpr std::size_t kColumns = 100'000;

int is_never_space(unsigned char) {
    return 0;
}

}  // namespace

CsvReader::CsvReader(core::Fd file, std::uint64_t file_bytes, const Wanted& wanted, const Limits& limits)
    : file_(std::move(file)), declared_bytes_(file_bytes), wanted_(wanted), limits_(limits), chunk_(kChunk) {
    if (csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI) != 0) throw std::bad_alloc();
    csv_set_space_func(&parser_, is_never_space);  // spaces belong to the field (RFC 4180, section 2.4)
    row_.values.resize(wanted_.size());
}

CsvReader::~CsvReader() {
    csv_free(&parser_);
}

void CsvReader::pack_rows(Packer& message) {
    message_ = &message;
    bool at_end = false;
    while (!at_end && message.size() < kBatch) {
        const ssize_t count = ::pread(file_.get(), chunk_.data(), kChunk, static_cast<off_t>(read_bytes_));
        if (count < 0) {
            end_with(Reason::unreadable);
            at_end = true;
        } else if (count == 0) {
            at_end = true;
            if (!ended_ && csv_fini(&parser_, on_field, on_row, this) != 0) end_with(Reason::bad_quoting);
            if (!ended_ && in_header_) end_with(Reason::bad_header);
            if (!ended_ && read_bytes_ != declared_bytes_) end_with(Reason::changed_while_read);
        } else {
            const std::span<std::uint8_t> chunk(chunk_.data(), static_cast<std::size_t>(count));
            hash_.update(chunk);
            const bool first = read_bytes_ == 0;
            read_bytes_ += chunk.size();
            const bool has_mark =
                first && chunk.size() >= 3 && chunk[0] == 0xef && chunk[1] == 0xbb && chunk[2] == 0xbf;
            if (!ended_) parse(has_mark ? chunk.subspan(3) : chunk);
        }
    }
    message.put(std::uint8_t{0});
    message.put(at_end);
    if (at_end) {
        const core::Digest digest = hash_.finish();
        message.put(read_bytes_);
        message.raw(digest.data(), digest.size());
    }
}

void CsvReader::parse(std::span<std::uint8_t> chunk) {
    const std::size_t parsed = csv_parse(&parser_, chunk.data(), chunk.size(), on_field, on_row, this);
    if (ended_) return;
    if (parsed != chunk.size()) {
        if (csv_error(&parser_) == CSV_ENOMEM) throw std::bad_alloc();
        return end_with(Reason::bad_quoting);
    }
    // One field that goes on and on: a quote that was never closed, most often.
    if (csv_get_buffer_size(&parser_) > limits_.row_bytes + kChunk) end_with(Reason::row_too_large);
}

void CsvReader::on_field(void* text, std::size_t size, void* self) {
    static_cast<CsvReader*>(self)->field({static_cast<const char*>(text), size});
}

void CsvReader::on_row(int, void* self) {
    CsvReader& reader = *static_cast<CsvReader*>(self);
    if (reader.ended_) return;  // libcsv finishes its chunk
    reader.in_header_ ? reader.header_row() : reader.data_row();
    reader.fields_ = 0;
    reader.row_bytes_ = 0;
    reader.trouble_ = Reason::none;
    reader.trouble_detail_.clear();
}

void CsvReader::field(std::string_view text) {
    if (ended_) return;
    row_bytes_ += text.size() + 1;
    const std::size_t column = fields_++;
    if (in_header_) {
        if (row_bytes_ > limits_.row_bytes || column >= kColumns || !is_utf8_text(text))
            trouble_ = Reason::bad_header;
        else
            header_.emplace_back(text);
        return;
    }
    if (column >= column_of_.size()) return;
    const std::int64_t index = column_of_[column];
    if (trouble_ != Reason::none) return;
    if (row_bytes_ > limits_.row_bytes) {
        trouble_ = Reason::row_too_large;
    } else if (index >= 0 && text.size() > limits_.value_bytes) {
        trouble_ = Reason::value_too_large;
        trouble_detail_ = wanted_.name(static_cast<std::size_t>(index));
    } else if (!is_utf8_text(text)) {
        trouble_ = Reason::not_utf8;
        if (index >= 0) trouble_detail_ = wanted_.name(static_cast<std::size_t>(index));
    } else if (index >= 0) {
        auto& value = row_.values[static_cast<std::size_t>(index)];
        if (!value) value.emplace();
        value->bytes = text;
    }
}

void CsvReader::header_row() {
    in_header_ = false;
    if (trouble_ != Reason::none) return end_with(trouble_);
    std::map<std::string_view, std::size_t> where;
    for (std::size_t i = 0; i < header_.size(); ++i)
        if (!where.emplace(header_[i], i).second) return end_with(Reason::bad_header);
    column_of_.assign(header_.size(), -1);
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
        const auto found = where.find(wanted_.name(i));
        if (found == where.end()) return end_with(Reason::bad_header, wanted_.name(i));
        column_of_[found->second] = static_cast<std::int64_t>(i);
    }
}

void CsvReader::data_row() {
    if (rows_ >= limits_.rows) return end_with(Reason::too_many_rows);
    ++rows_;
    if (trouble_ == Reason::none && fields_ != column_of_.size()) trouble_ = Reason::bad_row;
    emit(trouble_, trouble_detail_);
}

void CsvReader::end_with(Reason reason, std::string detail) {
    ended_ = true;
    ++rows_;  // the row at which it ended
    emit(reason, std::move(detail));
}

void CsvReader::emit(Reason reason, std::string detail) {
    row_.reason = reason;
    row_.detail = std::move(detail);
    row_.row = rows_;
    message_->put(std::uint8_t{1});
    pack(*message_, row_);
}

}  // namespace staging
