#include <malloc.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <new>

#include "staging/source/channel.h"
#include "staging/source/csv.h"
#include "staging/source/descriptors.h"
#include "staging/source/dicom.h"
#include "staging/source/sandbox.h"

// The worker's side. Nothing here is reached by the program itself.
namespace staging {
namespace {

constexpr int kSocket = 3;
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

class Server {
public:
    explicit Server(const Region& region) : region_(region) {}

    std::size_t answer(const Request& request, core::Fd file) {
        Packer message(region_.messages());
        switch (request.ask) {
            case Ask::configure:
                configure(request.message_bytes);
                break;
            case Ask::read_header:
                read(file.get(), request.file_bytes, Depth::header, message);
                break;
            case Ask::read_pixels:
                read(file.get(), request.file_bytes, Depth::pixels, message);
                break;
            case Ask::open_table:
                csv_.reset();
                csv_.emplace(std::move(file), request.file_bytes, configuration_.wanted,
                             configuration_.limits);
                break;
            case Ask::next_rows:
                if (!csv_) ::_exit(1);
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
                record = read_dicom(buffer_, configuration_.wanted, configuration_.limits, depth,
                                    region_.pixels());
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

void serve(int socket, core::Fd region_fd, const Start& start, pid_t fork_server) {
    try {
        prctl(PR_SET_NAME, "aloft-reader");
        const Region region(std::move(region_fd), start.region_bytes);
        if (!leave_parent_behind(socket, fork_server)) ::_exit(1);
        // Large blocks go back to the kernel when they are freed, so that one large file does not stay.
        mallopt(M_MMAP_THRESHOLD, 1 << 20);
        try {
            throw 0;  // the unwinder sets itself up now, while it may
        } catch (int) {
        }
        if (!enter_sandbox(start.memory_bytes)) ::_exit(1);

        Server answers(region);
        while (auto request = receive_message<Request>(kSocket)) {
            const std::size_t bytes = answers.answer(request->message, std::move(request->descriptors[0]));
            const Reply reply{bytes};
            if (::send(kSocket, &reply, sizeof reply, MSG_NOSIGNAL) != sizeof reply) break;
        }
    } catch (...) {  // the program sees a worker that died
        ::_exit(1);
    }
    ::_exit(0);
}

}  // namespace staging
