#include <stdexcept>
#include <variant>

#include "staging/read/asking.h"
#include "staging/read/delivery.h"

// The program's side of an archive (worker.h); nothing of it is parsed here.
namespace staging {

struct Archive::State {
    Wanted wanted;
    std::unique_ptr<Channel> channel;
    core::Fd file;
    std::uint64_t size = 0;
    Reason unopened = Reason::none;
    bool is_open = false;      // by the worker that there is now
    std::uint64_t opened = 0;  // how often
    std::uint64_t last_pixel_bytes = 0;

    // One question, of a worker that has the archive open; its answer, or the verdict.
    std::variant<core::Bytes, Reason> ask(Ask what, std::uint64_t number, Tries& tries) {
        for (;;) {
            Channel::Answer answer;
            if (!is_open) {
                answer = channel->ask(code(Ask::open_archive), file.get(), size);
                ++opened;
            }
            if (answer.ended == Ended::answered) {
                is_open = true;
                answer = channel->ask(code(what), -1, number);
            }
            if (answer.ended == Ended::answered) return message_of(*channel, answer.message_bytes);
            is_open = false;
            if (const auto reason = tries.verdict(answer.ended)) return *reason;
        }
    }
    void close() {
        channel->replace();
        is_open = false;
    }
};

Archive::Archive(const Readers& readers, Wanted wanted, Limits limits, const Opened& file)
    : state_(std::make_unique<State>()) {
    state_->wanted = std::move(wanted);
    state_->unopened = file.reason;
    if (file.reason != Reason::none) return;
    state_->file = second_of(file.fd);
    state_->size = file.bytes;
    state_->channel = open_channel(readers, state_->wanted, limits, true, true);
}

Archive::Archive(Archive&&) noexcept = default;
Archive::~Archive() = default;

Reason Archive::list(const std::function<void(const std::string& name)>& take) {
    State& state = *state_;
    if (state.unopened != Reason::none) return state.unopened;
    state.close();
    std::uint64_t seen = 0, told = 0;  // by this worker; by all
    for (Tries tries;;) {
        const std::uint64_t opened = state.opened;
        auto answer = state.ask(Ask::list_members, 0, tries);
        if (const auto* reason = std::get_if<Reason>(&answer)) return *reason;
        if (state.opened != opened) seen = 0;  // a fresh worker begins again
        try {
            Unpacker in(std::get<core::Bytes>(answer));
            auto found = in.get<Listed>();
            for (; found == Listed::here; found = in.get<Listed>()) {
                const std::string name = in.text();
                if (++seen <= told) continue;
                told = seen;
                take(name);
            }
            if (found == Listed::not_yet) continue;
            state.close();
            if (found == Listed::end) return Reason::none;
            const Reason reason = reason_of(in);
            if (found != Listed::refused || reason == Reason::none)
                throw std::out_of_range("not what a worker writes");
            if (reason != Reason::io_error) return reason;
            if (const auto verdict = tries.io_error(state.file.get(), state.size)) return *verdict;
        } catch (const std::logic_error&) {
            state.close();
            if (const auto verdict = tries.verdict(Ended::died)) return *verdict;
        }
    }
}

Record Archive::read(std::uint64_t member, const std::string& name, Depth depth) {
    State& state = *state_;
    if (state.unopened != Reason::none) return refusal(state.unopened);
    if (state.last_pixel_bytes > kKeepPixels) state.channel->region().release_bulk(kKeepPixels);
    state.last_pixel_bytes = 0;
    for (Tries tries;;) {
        auto answer =
            state.ask(depth == Depth::pixels ? Ask::member_pixels : Ask::member_header, member, tries);
        if (const auto* reason = std::get_if<Reason>(&answer)) return refusal(*reason);
        try {
            Unpacker in(std::get<core::Bytes>(answer));
            const Reached there = reached(in, name);
            if (there.again) continue;
            Record record = there.reason == Reason::none
                                ? unpack_record(in, state.wanted, state.channel->region().bulk())
                                : refusal(there.reason);
            if (record.reason == Reason::io_error) {
                state.close();
                if (const auto verdict = tries.io_error(state.file.get(), state.size))
                    return refusal(*verdict);
                continue;
            }
            state.last_pixel_bytes = record.pixels.bytes.size();
            return record;
        } catch (const std::logic_error&) {
            state.close();
            if (const auto verdict = tries.verdict(Ended::died)) return refusal(*verdict);
        }
    }
}

}  // namespace staging
