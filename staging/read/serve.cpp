#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <stdexcept>
#include <utility>

#include "staging/read/archive/served.h"
#include "staging/read/delivery.h"
#include "staging/read/format.h"
#include "staging/read/messages.h"
#include "staging/read/refused.h"
#include "staging/read/table/csv.h"

// The worker's side. Nothing here is reached by the program itself.
namespace staging {
namespace {

constexpr std::size_t kKeepBuffer = 8 << 20;  // a buffer up to this size is used again; pages are dear

constexpr std::uint64_t kFirstHead = 64 << 10;  // most headers are shorter

// The first `count` bytes of a file that had `bytes` when it was opened, in memory of our own: a file that shrinks
// meanwhile is a short read, not a SIGBUS, and what is hashed is what is parsed. What `out` has is there already.
Reason read_first(int fd, std::uint64_t count, std::uint64_t bytes, core::Bytes& out) {
    std::uint64_t done = out.size();
    out.resize(count);
    while (done < count) {
        const ssize_t got = ::pread(fd, out.data() + done, count - done, static_cast<off_t>(done));
        if (got < 0) return is_machines_fault(errno) ? Reason::io_error : Reason::unreadable;
        if (got == 0) return Reason::changed_while_read;
        done += static_cast<std::uint64_t>(got);
    }
    if (count < bytes) return Reason::none;
    char more;
    return ::pread(fd, &more, 1, static_cast<off_t>(bytes)) == 0 ? Reason::none : Reason::changed_while_read;
}

class ReaderAnswers final : public Answers {
public:
    explicit ReaderAnswers(const Region& region) : region_(region) {}

    std::size_t answer(const Question& question, core::Fd file) override {
        Packer message(region_.messages());
        switch (static_cast<Ask>(question.code)) {
            case Ask::configure:
                configure(question.message_bytes);
                break;
            case Ask::read_header:
                read(file.get(), question.number, Depth::header, message);
                break;
            case Ask::read_pixels:
                read(file.get(), question.number, Depth::pixels, message);
                break;
            case Ask::hold_first:
                hold_first(file.get(), question.number, message);
                break;
            case Ask::open_table:
                csv_.reset();
                csv_.emplace(read_at(std::move(file)), question.number, configuration_.wanted,
                             configuration_.limits);
                break;
            case Ask::next_rows:
                if (!csv_) throw std::logic_error("no table is open");
                csv_->pack_rows(message);
                break;
            case Ask::open_archive:
                archive_.emplace(std::move(file), question.number, configuration_.limits);
                break;
            case Ask::list_members:
                opened_archive().list(message);
                break;
            case Ask::member_header:
                member(question.number, Depth::header, message);
                break;
            case Ask::member_pixels:
                member(question.number, Depth::pixels, message);
                break;
            case Ask::member_table:
                member_table(question.number, message);
                break;
        }
        return message.size();
    }

private:
    void configure(std::uint32_t bytes) {
        Unpacker in(region_.messages().first(bytes));
        configuration_ = unpack_configuration(in);
    }

    void read(int fd, std::uint64_t bytes, Depth depth, Packer& message) {
        Record record;
        const std::optional<core::Bytes> first = std::exchange(first_, std::nullopt);
        try {
            const Format& format = configuration_.wanted.format();
            buffer_.clear();
            if (depth == Depth::header && format.read_head && !first) {
                record = read_head(fd, bytes, format);
            } else {
                record.reason = read_first(fd, bytes, bytes, buffer_);
                if (record.ok())
                    record = first ? format.read_pair(*first, buffer_, configuration_.wanted,
                                                      configuration_.limits, depth, region_.bulk())
                                   : format.read(buffer_, configuration_.wanted, configuration_.limits, depth,
                                                 region_.bulk());
            }
            pack(message, record, configuration_.wanted);
        } catch (const std::bad_alloc&) {
            fail(message, Refused(Reason::memory_limit));
        } catch (const std::length_error&) {
            fail(message, Refused(Reason::memory_limit));
        } catch (const Refused& refused) {
            fail(message, refused);
        }
        if (buffer_.capacity() > kKeepBuffer) core::Bytes().swap(buffer_);
    }

    ServedArchive& opened_archive() {
        if (!archive_) throw std::logic_error("no archive is open");
        return *archive_;
    }

    void member(std::uint64_t number, Depth depth, Packer& message) {
        if (!opened_archive().find(number, message)) return;
        const std::size_t begin = message.size();
        try {
            Record record;
            Word why;
            record.reason = archive_->load(why);
            record.detail = why.text();
            if (record.ok())
                record = configuration_.wanted.format().read(archive_->bytes(), configuration_.wanted,
                                                             configuration_.limits, depth, region_.bulk());
            record.file_bytes = archive_->member_bytes();
            pack(message, record, configuration_.wanted);
        } catch (const std::bad_alloc&) {
            fail(message, Refused(Reason::memory_limit), begin);
        } catch (const std::length_error&) {
            fail(message, Refused(Reason::memory_limit), begin);
        } catch (const Refused& refused) {
            fail(message, refused, begin);
        }
    }

    // Its rows are then asked for as any table's.
    void member_table(std::uint64_t number, Packer& message) {
        csv_.reset();
        if (!opened_archive().find(number, message)) return;
        Word why;
        const Reason reason = archive_->load(why);
        message.put(reason);
        if (reason == Reason::none)
            csv_.emplace(read_at(archive_->bytes()), archive_->bytes().size(), configuration_.wanted,
                         configuration_.limits);
    }

    // As much of it as a header has.
    void hold_first(int fd, std::uint64_t bytes, Packer& message) {
        Record record;
        if (!configuration_.wanted.format().read_pair) throw std::logic_error("no format of pairs");
        if (bytes > kFirstHead)
            record.reason = Reason::too_large;
        else
            record.reason = read_first(fd, bytes, bytes, first_.emplace());
        message.put(record.reason);
    }

    Record read_head(int fd, std::uint64_t bytes, const Format& format) {
        for (std::uint64_t count = std::min(bytes, kFirstHead), needed = 0;;) {
            Record record;
            record.reason = read_first(fd, count, bytes, buffer_);
            if (!record.ok()) return record;
            if (auto read =
                    format.read_head(buffer_, bytes, configuration_.wanted, configuration_.limits, needed))
                return std::move(*read);
            if (count == bytes) throw std::logic_error("more than the whole file is wanted");
            count = std::min(bytes, std::max(4 * count, needed));
        }
    }

    void fail(Packer& message, const Refused& refused, std::size_t begin = 0) {
        Record record;
        record.reason = refused.reason;
        record.detail = refused.detail.text();
        message.rewind(begin);
        pack(message, record, configuration_.wanted);
    }

    const Region& region_;
    Configuration configuration_;
    core::Bytes buffer_;
    std::optional<core::Bytes> first_;
    std::optional<ServedArchive> archive_;  // before the table that may lie in it
    std::optional<CsvReader> csv_;
};

}  // namespace

void prepare_answers() noexcept {
    for (const Format& format : formats())
        if (format.prepare) format.prepare();
    ArchiveReader::prepare();
}

Answers* make_answers(const Region& region) {
    return new ReaderAnswers(region);
}

}  // namespace staging
