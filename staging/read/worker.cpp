#include "staging/read/worker.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <optional>
#include <stdexcept>

#include "core/base/error.h"
#include "staging/read/asking.h"
#include "staging/read/delivery.h"
#include "staging/read/format.h"
#include "staging/read/messages.h"

namespace staging {

using core::Error;
using core::Fault;

Readers::Readers() noexcept : ForkServer(make_answers, prepare_answers) {}

Worker::Worker(const Readers& readers, Wanted wanted, Limits limits)
    : wanted_(std::move(wanted)), limits_(limits) {
    if (!wanted_.has_format()) throw Error(Fault::bug, "a reader of no format");
    if (wanted_.is_table()) throw Error(Fault::usage, "a table is read row by row, not as one file");
    channel_ = open_channel(readers, wanted_, limits_, true);
}

Worker::Worker(Worker&&) noexcept = default;
Worker::~Worker() = default;

Record Worker::read(const Opened& file, const Opened* first, Depth depth) {
    if (first && first->reason != Reason::none) return refusal(first->reason);
    if (file.reason != Reason::none) return refusal(file.reason);
    if (file.bytes > limits_.file_bytes)
        return refusal(Reason::too_large, file.bytes > kMostFileBytes ? "more than 4 GiB" : "");
    if (last_pixel_bytes_ > kKeepPixels) channel_->region().release_bulk(kKeepPixels);
    last_pixel_bytes_ = 0;

    for (Tries tries;;) {
        if (first) {
            const auto held = channel_->ask(code(Ask::hold_first), first->fd.get(), first->bytes);
            if (held.ended != Ended::answered) {
                if (const auto reason = tries.verdict(held.ended)) return refusal(*reason);
                continue;
            }
            std::optional<Reason> reason;
            try {
                const core::Bytes message = message_of(*channel_, held.message_bytes);
                Unpacker in(message);
                reason = reason_of(in);
            } catch (const std::logic_error&) {
            }
            if (!reason || *reason == Reason::io_error) {
                channel_->replace();
                const auto verdict =
                    reason ? tries.io_error(first->fd.get(), first->bytes) : tries.verdict(Ended::died);
                if (verdict) return refusal(*verdict);
                continue;
            }
            // A header is short, whatever a file may have.
            if (*reason != Reason::none)
                return refusal(*reason, *reason == Reason::too_large ? "header" : "");
        }
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
            record.file_bytes = file.bytes + (first ? first->bytes : 0);
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
    std::optional<Within> within;
    std::unique_ptr<Channel> channel;
    core::Fd file;
    std::uint64_t size = 0;
    Tries tries;
    std::deque<Record> rows;
    bool ended = false;
    std::uint64_t last_row = 0;
    core::Digest sha256{};
    std::uint64_t bytes = 0;

    void begin(const Readers& readers, Wanted what, const Limits& limits, const Opened& from) {
        if (!what.is_table()) throw Error(Fault::usage, "a file is read as one, not row by row");
        wanted = std::move(what);
        if (from.reason != Reason::none) return end_with(from.reason);
        file = second_of(from.fd);
        size = from.bytes;
        channel = open_channel(readers, wanted, limits, within.has_value());
        ask(Ask::open_table);
    }

    void end_with(Reason reason) {
        rows.push_back(refusal(reason, {}, last_row + 1));
        ended = true;
    }

    // Asks until there is an answer or a verdict. A fresh worker begins the table anew: what it had told
    // before is left out again (fetch).
    std::optional<std::uint64_t> ask(Ask what) {
        for (;;) {
            const auto answer = what == Ask::open_table  ? open()
                                : what == Ask::next_rows ? channel->ask(code(what))
                                                         : Channel::Answer{};
            if (answer.ended == Ended::answered) return answer.message_bytes;
            if (const auto reason = tries.verdict(answer.ended)) {
                end_with(*reason);
                return std::nullopt;
            }
            if (what != Ask::open_table && (!ask(Ask::open_table) || ended)) return std::nullopt;
        }
    }

    // As a file, or as a member of one.
    Channel::Answer open() {
        if (!within) return channel->ask(code(Ask::open_table), file.get(), size);
        auto answer = channel->ask(code(Ask::open_archive), file.get(), size);
        while (answer.ended == Ended::answered) {
            answer = channel->ask(code(Ask::member_table), -1, within->member);
            if (answer.ended != Ended::answered) break;
            try {
                const core::Bytes message = message_of(*channel, answer.message_bytes);
                Unpacker in(message);
                const Reached there = reached(in, within->name);
                if (there.again) continue;
                const Reason reason = there.reason == Reason::none ? reason_of(in) : there.reason;
                if (reason == Reason::io_error) {
                    channel->replace();
                    if (const auto verdict = tries.io_error(file.get(), size))
                        end_with(*verdict);
                    else
                        return open();
                } else if (reason != Reason::none) {
                    end_with(reason);
                }
                break;
            } catch (const std::logic_error&) {
                channel->replace();
                answer.ended = Ended::died;
            }
        }
        return answer;
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
    state_->begin(readers, std::move(wanted), limits, file);
}

Table::Table(const Readers& readers, Wanted wanted, Limits limits, const Opened& archive,
             std::uint64_t member, const std::string& name)
    : state_(std::make_unique<State>()) {
    state_->within = Within{member, name};
    state_->begin(readers, std::move(wanted), limits, archive);
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
