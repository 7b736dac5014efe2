#include "staging/read/worker.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <optional>
#include <stdexcept>

#include "core/base/error.h"
#include "staging/read/delivery.h"
#include "staging/read/format.h"
#include "staging/read/messages.h"

namespace staging {
namespace {

using core::Error;
using core::Fault;

// Beside the file, what it inflates to and the shared memory (which is mapped already): elements, codecs.
constexpr std::uint64_t kWorkingMemory = 96 << 20;
constexpr std::size_t kKeepPixels = 64 << 20;  // shared pages beyond this go back after a large file

Record refusal(Reason reason, std::uint64_t row = 0) {
    Record record;
    record.reason = reason;
    record.row = row;
    return record;
}

// How often a file is read before the machine, or the file, is said to be at fault.
constexpr int kMachineTries = 3, kFileTries = 2;

// Whether the machine cannot read a file, as a worker has said of it.
bool machine_cannot_read(int fd, std::uint64_t bytes) {
    core::Bytes buffer(std::min<std::uint64_t>(bytes, 1 << 20));
    for (std::uint64_t at = 0; at < bytes;) {
        const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(at));
        if (got < 0) return is_machines_fault(errno);
        if (got == 0) return false;
        at += static_cast<std::uint64_t>(got);
    }
    return false;
}

// Counts what went wrong with one file (or one table) until it is clear whose fault it is.
class Tries {
public:
    // The verdict on the file, or nothing: try again with a fresh worker. Throws MachineFault.
    std::optional<Reason> verdict(Ended ended) {
        switch (ended) {
            case Ended::answered:
                return Reason::none;
            case Ended::spent:
                return Reason::time_limit;
            case Ended::died:
                if (++died_ >= kFileTries) return Reason::worker_died;
                return std::nullopt;
            case Ended::killed:
                return machine("its reader was killed, as the kernel does when memory is short");
            case Ended::stuck:
                return machine("its reader got no answer from the file system");
        }
        return Reason::worker_died;
    }
    // The same where a worker says that the file cannot be read. A hostile file's worker must not end the run:
    // its word is checked.
    std::optional<Reason> io_error(int fd, std::uint64_t bytes) {
        if (machine_cannot_read(fd, bytes)) return machine("it could not be read: an input/output error");
        return verdict(Ended::died);
    }

private:
    std::optional<Reason> machine(const std::string& what) {
        if (++machine_ >= kMachineTries)
            throw MachineFault(what + ", " + std::to_string(machine_) + " times");
        return std::nullopt;
    }

    int died_ = 0, machine_ = 0;
};

std::uint32_t code(Ask ask) {
    return static_cast<std::uint32_t>(ask);
}

std::unique_ptr<Channel> open_channel(const Readers& readers, const Wanted& wanted, const Limits& limits) {
    core::Bytes configuration(kMessageBytes);
    Packer message(configuration);
    pack(message, wanted, limits);
    configuration.resize(message.size());
    Budget budget;
    budget.bulk_bytes = wanted.is_table() ? 0 : limits.pixel_bytes;
    budget.memory_bytes =
        (wanted.is_table() ? 4 * limits.row_bytes : limits.file_bytes + limits.inflated_bytes) +
        kWorkingMemory;
    budget.seconds = limits.seconds;
    return std::make_unique<Channel>(readers, std::move(configuration), budget);
}

// A copy first: what is checked cannot change any more.
core::Bytes message_of(Channel& channel, std::uint64_t bytes) {
    const auto shared = channel.region().messages().first(bytes);
    return {shared.begin(), shared.end()};
}

}  // namespace

Readers::Readers() noexcept : ForkServer(make_answers, prepare_answers) {}

Worker::Worker(const Readers& readers, Wanted wanted, Limits limits)
    : wanted_(std::move(wanted)), limits_(limits) {
    if (!wanted_.has_format()) throw Error(Fault::bug, "a reader of no format");
    if (wanted_.is_table()) throw Error(Fault::usage, "a table is read row by row, not as one file");
    channel_ = open_channel(readers, wanted_, limits_);
}

Worker::Worker(Worker&&) noexcept = default;
Worker::~Worker() = default;

Record Worker::read(const Opened& file, Depth depth) {
    if (file.reason != Reason::none) return refusal(file.reason);
    if (file.bytes > limits_.file_bytes) return refusal(Reason::too_large);
    if (last_pixel_bytes_ > kKeepPixels) channel_->region().release_bulk(kKeepPixels);
    last_pixel_bytes_ = 0;

    for (Tries tries;;) {
        const auto answer = channel_->ask(code(depth == Depth::pixels ? Ask::read_pixels : Ask::read_header),
                                          file.fd.get(), file.bytes);
        if (answer.ended != Ended::answered) {
            if (const auto reason = tries.verdict(answer.ended)) return refusal(*reason);
            continue;
        }
        try {
            const core::Bytes message = message_of(*channel_, answer.message_bytes);
            Unpacker in(message);
            Record record = unpack_record(in, wanted_, channel_->region().bulk());
            if (record.reason == Reason::io_error) {
                if (const auto reason = tries.io_error(file.fd.get(), file.bytes)) return refusal(*reason);
                channel_->replace();
                continue;
            }
            record.file_bytes = file.bytes;
            last_pixel_bytes_ = record.pixels.bytes.size();
            return record;
        } catch (const std::logic_error&) {  // not what our worker writes: it is not ours any more
            channel_->replace();
            if (const auto reason = tries.verdict(Ended::died)) return refusal(*reason);
        }
    }
}

void Worker::renew() noexcept {
    channel_->replace();
}

std::uint64_t Worker::replaced() const noexcept {
    return channel_->replaced();
}

struct Table::State {
    Wanted wanted;
    std::unique_ptr<Channel> channel;
    core::Fd file;
    std::uint64_t size = 0;
    Tries tries;
    std::deque<Record> rows;
    bool ended = false;
    std::uint64_t last_row = 0;
    core::Digest sha256{};
    std::uint64_t bytes = 0;

    void end_with(Reason reason) {
        rows.push_back(refusal(reason, last_row + 1));
        ended = true;
    }

    // Asks until there is an answer or a verdict. A fresh worker begins the table anew: what it had told
    // before is left out again (fetch).
    std::optional<std::uint64_t> ask(Ask what) {
        for (;;) {
            const auto answer = what == Ask::open_table ? channel->ask(code(what), file.get(), size)
                                                        : channel->ask(code(what));
            if (answer.ended == Ended::answered) return answer.message_bytes;
            if (const auto reason = tries.verdict(answer.ended)) {
                end_with(*reason);
                return std::nullopt;
            }
            if (what != Ask::open_table && !ask(Ask::open_table)) return std::nullopt;
        }
    }

    void fetch() {
        const auto answer = ask(Ask::next_rows);
        if (!answer) return;
        try {
            const core::Bytes message = message_of(*channel, *answer);
            Unpacker in(message);
            while (in.get<std::uint8_t>()) {
                Record row = unpack_record(in, wanted, {});
                if (row.reason == Reason::io_error) {
                    if (const auto reason = tries.io_error(file.get(), size)) return end_with(*reason);
                    channel->replace();
                    ask(Ask::open_table);
                    return;
                }
                if (row.row <= last_row) continue;
                last_row = row.row;
                rows.push_back(std::move(row));
            }
            ended = in.get<std::uint8_t>() != 0;
            if (!ended) return;
            bytes = in.get<std::uint64_t>();
            in.raw(sha256.data(), sha256.size());
        } catch (const std::logic_error&) {
            end_with(Reason::worker_died);
        }
    }
};

Table::Table(const Readers& readers, Wanted wanted, Limits limits, const Opened& file)
    : state_(std::make_unique<State>()) {
    if (!wanted.is_table()) throw Error(Fault::usage, "a file is read as one, not row by row");
    state_->wanted = std::move(wanted);
    if (file.reason != Reason::none) {
        state_->end_with(file.reason);
        return;
    }
    state_->file = core::Fd(::fcntl(file.fd.get(), F_DUPFD_CLOEXEC, 0));
    if (!state_->file.is_open()) throw MachineFault(core::with_errno("it cannot be read", errno));
    state_->size = file.bytes;
    state_->channel = open_channel(readers, state_->wanted, limits);
    state_->ask(Ask::open_table);
}

Table::Table(Table&&) noexcept = default;
Table::~Table() = default;

bool Table::next(Record& row) {
    while (state_->rows.empty() && !state_->ended) state_->fetch();
    if (state_->rows.empty()) return false;
    row = std::move(state_->rows.front());
    state_->rows.pop_front();
    return true;
}

const core::Digest& Table::file_sha256() const noexcept {
    return state_->sha256;
}

std::uint64_t Table::file_bytes() const noexcept {
    return state_->bytes;
}

}  // namespace staging
