#include "staging/read/worker.h"

#include <deque>
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

Reason reason_of(Ended ended) {
    switch (ended) {
        case Ended::answered:
            return Reason::none;
        case Ended::died:
            return Reason::worker_died;
        case Ended::spent:
        case Ended::stuck:
            return Reason::time_limit;
    }
    return Reason::worker_died;
}

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

    const auto answer = channel_->ask(code(depth == Depth::pixels ? Ask::read_pixels : Ask::read_header),
                                      file.fd.get(), file.bytes);
    if (answer.ended != Ended::answered) return refusal(reason_of(answer.ended));
    try {
        const core::Bytes message = message_of(*channel_, answer.message_bytes);
        Unpacker in(message);
        Record record = unpack_record(in, wanted_, channel_->region().bulk());
        record.file_bytes = file.bytes;
        last_pixel_bytes_ = record.pixels.bytes.size();
        return record;
    } catch (const std::logic_error&) {  // not what our worker writes: it is not ours any more
        channel_->replace();
        return refusal(Reason::worker_died);
    }
}

std::uint64_t Worker::replaced() const noexcept {
    return channel_->replaced();
}

struct Table::State {
    Wanted wanted;
    std::unique_ptr<Channel> channel;
    std::deque<Record> rows;
    bool ended = false;
    std::uint64_t last_row = 0;
    core::Digest sha256{};
    std::uint64_t bytes = 0;

    void end_with(Reason reason) {
        rows.push_back(refusal(reason, last_row + 1));
        ended = true;
    }

    void fetch() {
        const auto answer = channel->ask(code(Ask::next_rows));
        if (answer.ended != Ended::answered) return end_with(reason_of(answer.ended));
        try {
            const core::Bytes message = message_of(*channel, answer.message_bytes);
            Unpacker in(message);
            while (in.get<std::uint8_t>()) {
                rows.push_back(unpack_record(in, wanted, {}));
                last_row = rows.back().row;
            }
            ended = in.get<bool>();
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
    state_->channel = open_channel(readers, state_->wanted, limits);
    const auto answer = state_->channel->ask(code(Ask::open_table), file.fd.get(), file.bytes);
    if (answer.ended != Ended::answered) state_->end_with(reason_of(answer.ended));
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
