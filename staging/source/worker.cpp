#include "staging/source/worker.h"

#include <deque>
#include <stdexcept>

#include "core/base/error.h"
#include "staging/source/channel.h"
#include "staging/source/delivery.h"

namespace staging {
namespace {

using core::Error;
using core::Fault;

constexpr std::size_t kKeepPixels = 64 << 20;  // shared pages beyond this go back after a large file

Record refusal(Reason reason, std::uint64_t row = 0) {
    Record record;
    record.reason = reason;
    record.row = row;
    return record;
}

// A copy first: what is checked cannot change any more.
core::Bytes message_of(Channel& channel, std::uint64_t bytes) {
    const auto shared = channel.region().messages().first(bytes);
    return {shared.begin(), shared.end()};
}

}  // namespace

Worker::Worker(const ForkServer& server, Wanted wanted, Limits limits)
    : wanted_(std::make_unique<Wanted>(std::move(wanted))), limits_(limits) {
    if (wanted_->is_table()) throw Error(Fault::usage, "columns of a table were asked of DICOM files");
    channel_ = std::make_unique<Channel>(server, *wanted_, limits_);
}

Worker::Worker(Worker&&) noexcept = default;
Worker::~Worker() = default;

Record Worker::read(const Opened& file, Depth depth) {
    if (file.reason != Reason::none) return refusal(file.reason);
    if (file.bytes > limits_.file_bytes) return refusal(Reason::too_large);
    if (last_pixel_bytes_ > kKeepPixels) channel_->region().release_pixels(kKeepPixels);
    last_pixel_bytes_ = 0;

    const auto answer = channel_->ask(depth == Depth::pixels ? Ask::read_pixels : Ask::read_header,
                                      file.fd.get(), file.bytes);
    if (answer.reason != Reason::none) return refusal(answer.reason);
    try {
        const core::Bytes message = message_of(*channel_, answer.message_bytes);
        Unpacker in(message);
        Record record = unpack_record(in, *wanted_, channel_->region().pixels());
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
        const auto answer = channel->ask(Ask::next_rows);
        if (answer.reason != Reason::none) return end_with(answer.reason);
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

Table::Table(const ForkServer& server, Wanted wanted, Limits limits, const Opened& file)
    : state_(std::make_unique<State>()) {
    if (!wanted.is_table()) throw Error(Fault::usage, "DICOM attributes were asked of a table");
    state_->wanted = std::move(wanted);
    if (file.reason != Reason::none) {
        state_->end_with(file.reason);
        return;
    }
    state_->channel = std::make_unique<Channel>(server, state_->wanted, limits);
    const auto answer = state_->channel->ask(Ask::open_table, file.fd.get(), file.bytes);
    if (answer.reason != Reason::none) state_->end_with(answer.reason);
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
