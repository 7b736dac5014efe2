#include <unistd.h>

#include <new>
#include <stdexcept>

#include "staging/read/format.h"
#include "staging/read/messages.h"
#include "staging/read/table/csv.h"

// The worker's side. Nothing here is reached by the program itself.
namespace staging {
namespace {

constexpr std::size_t kKeepBuffer = 8 << 20;  // a buffer up to this size is used again; pages are dear

// The whole file, in memory of our own: a file that shrinks meanwhile is a short read, not a SIGBUS, and what
// is hashed is what is parsed.
Reason read_whole(int fd, std::uint64_t bytes, core::Bytes& out) {
    out.resize(bytes);
    std::uint64_t done = 0;
    while (done < bytes) {
        const ssize_t count = ::pread(fd, out.data() + done, bytes - done, static_cast<off_t>(done));
        if (count < 0) return Reason::unreadable;
        if (count == 0) return Reason::changed_while_read;
        done += static_cast<std::uint64_t>(count);
    }
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
            case Ask::open_table:
                csv_.reset();
                csv_.emplace(std::move(file), question.number, configuration_.wanted, configuration_.limits);
                break;
            case Ask::next_rows:
                if (!csv_) throw std::logic_error("no table is open");
                csv_->pack_rows(message);
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
        try {
            record.reason = read_whole(fd, bytes, buffer_);
            if (record.ok())
                record = configuration_.wanted.format().read(buffer_, configuration_.wanted,
                                                             configuration_.limits, depth, region_.bulk());
            pack(message, record);
        } catch (const std::bad_alloc&) {
            fail(message, Reason::memory_limit);
        } catch (const std::length_error&) {
            fail(message, Reason::value_too_large);
        }
        if (buffer_.capacity() > kKeepBuffer) core::Bytes().swap(buffer_);
    }

    static void fail(Packer& message, Reason reason) {
        Record record;
        record.reason = reason;
        message.rewind(0);
        pack(message, record);
    }

    const Region& region_;
    Configuration configuration_;
    core::Bytes buffer_;
    std::optional<CsvReader> csv_;
};

}  // namespace

Answers* make_answers(const Region& region) {
    return new ReaderAnswers(region);
}

}  // namespace staging
