#include "staging/read/table/csv.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <new>
#include <utility>

#include "staging/read/delivery.h"
#include "staging/read/refused.h"
#include "staging/read/table/utf8.h"

namespace staging {
namespace {

constexpr std::size_t kBatch = 1 << 20;  // bytes of a message that are worth a round trip
// What one chunk gives must fit into a message behind those: at most about 60 bytes for each of its bytes (a row of one
// empty field), and the row that it ends, of which a byte is three in UTF-8 at most and a column has a few bytes of ours.
constexpr std::size_t kChunk = 64 << 10;
// Bytes of the file that one question reads at most: what it costs does not depend on how little is wanted.
constexpr std::size_t kReadAtMost = 64 << 20;
constexpr std::size_t kBeginning = 4096;
constexpr std::size_t kColumns = 100'000;
static_assert(kBatch + kChunk * 60 + kMostRowBytes * 3 + kColumns * 8 <= kMessageBytes);

// Of UTF-16 without a mark, by its first line end: the other way round it is U+0A00, which is no character, or U+0D00.
// Little endian, as Windows writes it, if there is none.
bool ends_lines_in_big_endian(core::ByteView text) {
    for (std::size_t i = 0; i + 2 <= text.size(); i += 2) {
        if (text[i + 1] == 0 && (text[i] == '\n' || text[i] == '\r')) return false;
        if (text[i] == 0 && (text[i + 1] == '\n' || text[i + 1] == '\r')) return true;
    }
    return false;
}

int is_never_space(unsigned char) {
    return 0;
}

}  // namespace

CsvReader::CsvReader(const ReadAt& file, std::uint64_t file_bytes, const Wanted& wanted, const Limits& limits)
    : file_([this, file](std::uint8_t* out, std::size_t count, std::uint64_t offset) {
          const ssize_t got = file(out, count, offset);
          if (got > 0) hash_.update({out, static_cast<std::size_t>(got)});
          if (got > 0) read_bytes_ += static_cast<std::uint64_t>(got);
          return got;
      }),
      declared_bytes_(file_bytes),
      wanted_(wanted),
      limits_(limits),
      encoding_(encoding_of(wanted.form().encoding).value_or(Encoding::utf8)),
      is_utf16_(wanted.form().encoding == "utf-16"),
      titles_left_(wanted.form().title_rows),
      chunk_(kChunk) {
    if (csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI) != 0) throw std::bad_alloc();
    csv_set_delim(&parser_, static_cast<unsigned char>(wanted.form().separator));
    csv_set_space_func(&parser_, is_never_space);  // spaces belong to the field (RFC 4180, section 2.4)
    row_.values.resize(wanted_.size());
    std::uint8_t head[kCompressionHead];
    const ssize_t got = file(head, sizeof head, 0);
    if (got < 0) unread_ = Refused(is_machines_fault(errno) ? Reason::io_error : Reason::unreadable);
    if (got > 0) compression_ = compression_of({head, static_cast<std::size_t>(got)});
}

CsvReader::~CsvReader() {
    csv_free(&parser_);
}

void CsvReader::pack_rows(Packer& message) {
    message_ = &message;
    bool at_end = false;
    const std::uint64_t from = came_;
    while (!at_end && message.size() < kBatch && came_ - from < kReadAtMost) {
        try {
            const std::size_t count = read_chunk();
            if (count != 0 && !ended_ && !is_whole_) take(std::span(chunk_).first(count));
            came_ += count;
            if (count != 0) continue;
            at_end = !decompressor_ || ended_ || is_whole_;
            if (!ended_ && !is_whole_) finish();
            if (at_end && !ended_ && read_bytes_ != declared_bytes_) end_with(Reason::changed_while_read);
        } catch (const Refused& refused) {
            at_end = refused.reason == Reason::io_error || refused.reason == Reason::unreadable;
            end_with(refused.reason, refused.detail);
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

// What comes next of the table; behind its end, of the file.
std::size_t CsvReader::read_chunk() {
    if (unread_) throw *unread_;
    if (!compression_ || ended_ || is_whole_) {
        const ssize_t count = file_(chunk_.data(), kChunk, read_bytes_);
        if (count < 0) throw Refused(is_machines_fault(errno) ? Reason::io_error : Reason::unreadable);
        return static_cast<std::size_t>(count);
    }
    try {
        if (!decompressor_) decompressor_.emplace(*compression_, file_, declared_bytes_, limits_);
        return decompressor_->read(chunk_);
    } catch (const std::bad_alloc&) {
        throw Refused(Reason::memory_limit, compression_->word);
    }
}

void CsvReader::take(std::span<std::uint8_t> chunk) {
    const bool first = came_ == 0;
    const bool has_mark = core::text(chunk).starts_with("\xef\xbb\xbf");
    if (first) beginning_.assign(chunk.begin(), chunk.begin() + std::min(chunk.size(), kBeginning));
    if (is_utf16_)
        parse_utf16(chunk, false);
    else
        parse(first && has_mark ? chunk.subspan(3) : chunk);
}

void CsvReader::finish() {
    is_whole_ = true;
    if (is_utf16_) parse_utf16({}, true);
    if (!ended_ && csv_fini(&parser_, on_field, on_row, this) != 0) end_with(Reason::bad_quoting);
    if (!ended_ && in_header_) end_with(Reason::bad_header, hint());
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

// A chunk of UTF-16 may end within a character: what is left waits for the next one.
void CsvReader::parse_utf16(core::ByteView chunk, bool at_end) {
    undecoded_.insert(undecoded_.end(), chunk.begin(), chunk.end());
    std::size_t at = 0;
    const auto unit = [&](std::size_t i) {
        return static_cast<std::uint32_t>(big_endian_ ? undecoded_[i] << 8 | undecoded_[i + 1]
                                                      : undecoded_[i + 1] << 8 | undecoded_[i]);
    };
    if (!knows_order_ && undecoded_.size() >= 2) {
        knows_order_ = true;
        big_endian_ = undecoded_[0] == 0xfe && undecoded_[1] == 0xff;
        if (unit(0) == 0xfeff)
            at = 2;
        else
            big_endian_ = ends_lines_in_big_endian(undecoded_);
    }
    std::vector<std::uint8_t> text;
    text.reserve(undecoded_.size() * 3 / 2);
    while (at + 2 <= undecoded_.size()) {
        std::uint32_t c = unit(at);
        std::size_t length = 2;
        if (c >= 0xd800 && c < 0xdc00) {
            if (at + 4 > undecoded_.size()) break;
            const std::uint32_t low = unit(at + 2);
            if (low < 0xdc00 || low > 0xdfff) return end_with(Reason::not_utf8, "utf-16");
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            length = 4;
        } else if (c >= 0xdc00 && c < 0xe000) {
            return end_with(Reason::not_utf8, "utf-16");
        }
        at += length;
        const auto put = [&](std::uint32_t byte) { text.push_back(static_cast<std::uint8_t>(byte)); };
        if (c < 0x80) {
            put(c);
        } else if (c < 0x800) {
            put(0xc0 | c >> 6);
            put(0x80 | (c & 0x3f));
        } else if (c < 0x10000) {
            put(0xe0 | c >> 12);
            put(0x80 | (c >> 6 & 0x3f));
            put(0x80 | (c & 0x3f));
        } else {
            put(0xf0 | c >> 18);
            put(0x80 | (c >> 12 & 0x3f));
            put(0x80 | (c >> 6 & 0x3f));
            put(0x80 | (c & 0x3f));
        }
    }
    undecoded_.erase(undecoded_.begin(), undecoded_.begin() + static_cast<std::ptrdiff_t>(at));
    if (!text.empty()) parse(text);
    if (at_end && !ended_ && !undecoded_.empty()) end_with(Reason::not_utf8, "utf-16");
}

bool CsvReader::decode(std::string_view text, std::string& out) const {
    out.clear();
    if (text.find('\0') != std::string_view::npos) return false;
    return append_utf8(is_utf16_ ? Encoding::utf8 : encoding_, text, out);
}

// What a table looks like whose header row is not what is wanted: one of our own words, for the person who
// describes the delivery.
Word CsvReader::hint() const {
    const std::string_view begins = core::text(beginning_);
    if (!is_utf16_ && (begins.starts_with("\xff\xfe") || begins.starts_with("\xfe\xff") ||
                       (begins.size() > 3 && begins[1] == '\0' && begins[3] == '\0')))
        return "looks like utf-16";
    // Marks of UTF-8 and UTF-16, and halves of its characters, are no text.
    constexpr std::string_view kBlank("\xef\xbb\xbf\xff\xfe\0 \t\r\n", 10);
    if (begins.size() < kBeginning && begins.find_first_not_of(kBlank) == std::string_view::npos)
        return "empty";
    const std::string_view line = begins.substr(0, begins.find_first_of("\r\n"));
    const auto count = [&](char c) { return std::count(line.begin(), line.end(), c); };
    const auto mine = count(wanted_.form().separator);
    struct Other {
        char separator;
        Word word;
    };
    for (const Other& other : {Other{',', "looks like commas"}, Other{';', "looks like semicolons"},
                               Other{'\t', "looks like tabs"}, Other{'|', "looks like bars"}})
        if (other.separator != wanted_.form().separator && count(other.separator) > mine) return other.word;
    if (!is_utf16_ && encoding_ == Encoding::utf8 && !is_utf8_text(line))
        return "looks like another encoding";
    if (wanted_.form().title_rows == 0 && mine == 0) return "looks like a title row";
    return {};
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
    reader.trouble_detail_ = {};
}

void CsvReader::field(std::string_view text) {
    if (ended_) return;
    row_bytes_ += text.size() + 1;
    const std::size_t column = fields_++;
    if (titles_left_ && has_line_) return;
    std::string decoded;
    if (in_header_) {
        if (row_bytes_ > limits_.row_bytes || column >= kColumns || !decode(text, decoded))
            trouble_ = Reason::bad_header;
        else
            header_.push_back(std::move(decoded));
        return;
    }
    if (column >= column_of_.size()) return;
    const std::int64_t index = column_of_[column];
    if (trouble_ != Reason::none) return;
    if (row_bytes_ > limits_.row_bytes) {
        trouble_ = Reason::row_too_large;
    } else if (index >= 0 && text.size() > limits_.value_bytes) {
        trouble_ = Reason::value_too_large;
        trouble_detail_ = Word::named(wanted_.name(static_cast<std::size_t>(index)));
    } else if (!decode(text, decoded)) {
        trouble_ = Reason::not_utf8;
        if (index >= 0) trouble_detail_ = Word::named(wanted_.name(static_cast<std::size_t>(index)));
    } else if (index >= 0) {
        auto& value = row_.values[static_cast<std::size_t>(index)];
        if (!value) value.emplace();
        value->bytes = std::move(decoded);
    }
}

void CsvReader::header_row() {
    const bool is_first_line = !std::exchange(has_line_, true);
    // Excel's word to itself, "sep=;" alone on the very first line, is no title. It agrees with what is declared, or hint()
    // tells.
    if (is_first_line && header_.size() == 2 && header_[0] == "sep=" && header_[1].empty())
        return header_.clear();
    if (titles_left_) {
        --titles_left_;
        return header_.clear();
    }
    in_header_ = false;
    if (trouble_ != Reason::none) return end_with(trouble_, hint());
    // Columns that nobody wants may have no name, or one name (spreadsheets write both).
    std::map<std::string_view, std::vector<std::size_t>> where;
    for (std::size_t i = 0; i < header_.size(); ++i) where[header_[i]].push_back(i);
    column_of_.assign(header_.size(), -1);
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
        const auto found = where.find(wanted_.name(i));
        // A column that is missing because the whole line was read as something else: say that instead.
        if (found == where.end())
            return end_with(Reason::bad_header, hint().empty() ? Word::named(wanted_.name(i)) : hint());
        if (found->second.size() > 1) return end_with(Reason::bad_header, Word::named(wanted_.name(i)));
        column_of_[found->second.front()] = static_cast<std::int64_t>(i);
    }
}

void CsvReader::data_row() {
    if (rows_ >= limits_.rows) return end_with(Reason::too_many_rows);
    ++rows_;
    if (trouble_ == Reason::none && fields_ != column_of_.size()) trouble_ = Reason::bad_row;
    emit(trouble_, trouble_detail_);
}

void CsvReader::end_with(Reason reason, Word detail) {
    ended_ = true;
    ++rows_;  // the row at which it ended
    emit(reason, detail);
}

void CsvReader::emit(Reason reason, Word detail) {
    row_.reason = reason;
    row_.detail = detail.text();
    row_.row = rows_;
    message_->put(std::uint8_t{1});
    pack(*message_, row_, wanted_);
}

}  // namespace staging
