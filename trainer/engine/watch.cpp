#include "trainer/engine/watch.h"

#include <algorithm>
#include <string>

#include "core/base/event.h"

namespace trainer {
namespace {

constexpr int kWatchers = 2;  // if one of them is the rank that does not come, the other says so
constexpr int kTag = 1;

std::atomic<std::int64_t> ticks{0}, signs{0};
std::atomic<int> busy{0};

}  // namespace

void Watch::tick() noexcept {
    ++ticks;
}

void Watch::alive() noexcept {
    ++signs;
}

Watch::Busy::Busy() noexcept {
    ++busy;
}

Watch::Busy::~Busy() {
    --busy;
}

Watch::Watch(const core::Comm& parent, double hang_seconds) : comm_(parent.get()), limit_(hang_seconds) {
    const auto watchers = static_cast<std::size_t>(std::min(kWatchers, comm_.size()));
    if (comm_.rank() < kWatchers) heard_.resize(static_cast<std::size_t>(comm_.size()));
    sending_.assign(watchers, MPI_REQUEST_NULL);
    sent_.resize(watchers);
    told_last_.assign(watchers, false);
    thread_ = std::thread([this] { run(); });
}

Watch::~Watch() {
    stopping_ = true;
    thread_.join();
}

void Watch::run() {
    using namespace std::chrono_literals;
    const auto pause = std::clamp<std::chrono::duration<double>>(limit_ / 10, 50ms, 5s);
    auto due = Clock::now();
    for (;;) {
        const bool last = stopping_;
        if (last || Clock::now() >= due) {
            const bool told = tell(last);
            const bool all_done = listen();
            if (last && told && all_done) return;
            judge();
            due = Clock::now() + std::chrono::duration_cast<Clock::duration>(pause);
        }
        std::this_thread::sleep_for(last ? 1ms : 20ms);
    }
}

// To each watcher, unless what was sent before is still under way. True when the last word has reached all.
bool Watch::tell(bool last) {
    bool all = true;
    for (std::size_t i = 0; i < sending_.size(); ++i) {
        int done = 1;
        MPI_Test(&sending_[i], &done, MPI_STATUS_IGNORE);
        const bool ended = done && told_last_[i];
        if (done && !ended) {
            sent_[i] = {ticks, signs, busy > 0, last};
            told_last_[i] = last;
            if (static_cast<int>(i) == comm_.rank())
                note(heard_[i], sent_[i]);
            else
                MPI_Isend(&sent_[i], sizeof(Beat), MPI_BYTE, static_cast<int>(i), kTag, comm_.get(),
                          &sending_[i]);
        }
        all = all && ended;
    }
    return all;
}

// True when every rank has said its last word; also where this rank is no watcher.
bool Watch::listen() {
    bool all = true;
    for (std::size_t rank = 0; rank < heard_.size(); ++rank) {
        Heard& of = heard_[rank];
        while (!of.last.done && static_cast<int>(rank) != comm_.rank()) {
            if (of.request == MPI_REQUEST_NULL)
                MPI_Irecv(&of.next, sizeof(Beat), MPI_BYTE, static_cast<int>(rank), kTag, comm_.get(),
                          &of.request);
            int came = 0;
            MPI_Test(&of.request, &came, MPI_STATUS_IGNORE);
            if (!came) break;
            note(of, of.next);
        }
        all = all && of.last.done;
    }
    return all;
}

void Watch::note(Heard& of, const Beat& beat) {
    of.heard = Clock::now();
    if (beat.busy || beat.ticks != of.last.ticks || beat.alive != of.last.alive) of.went_on = of.heard;
    of.last = beat;
}

void Watch::judge() {
    if (heard_.empty()) return;
    const auto now = Clock::now();
    const auto patience = limit_ * (1 + 0.25 * comm_.rank());  // rank 0 speaks first
    Clock::time_point went_on = heard_[0].went_on;
    std::int64_t least = heard_[0].last.ticks;
    for (const Heard& of : heard_) {
        went_on = std::max(went_on, of.went_on);
        least = std::min(least, of.last.ticks);
    }
    if (now - went_on < patience) return;
    const auto silent = [&](const Heard& of) { return !of.last.done && now - of.heard > limit_ / 2; };
    const bool some_silent = std::any_of(heard_.begin(), heard_.end(), silent);
    for (std::size_t rank = 0; rank < heard_.size(); ++rank) {
        const Heard& of = heard_[rank];
        if (some_silent ? !silent(of) : of.last.done || of.last.ticks != least) continue;
        core::Event("error", "rank_missing")
            .with("rank", static_cast<std::int64_t>(rank))
            .with("seconds", std::chrono::duration<double>(now - of.went_on).count())
            .with("text", some_silent
                              ? "nothing is heard of it (stopped, or its node is gone), and the others wait"
                              : "it has not gone on (storage, device, or a bug), and the others wait");
    }
    MPI_Abort(comm_.get(), static_cast<int>(core::Fault::system));
}

}  // namespace trainer
