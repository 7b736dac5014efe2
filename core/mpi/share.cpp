#include "core/mpi/share.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/base/event.h"

namespace core {
namespace {

enum Tag : int { kAsk = 1, kAnswer, kStop };
// How long one rank is waited for before another one is asked as well.
constexpr std::int64_t kPatience_us = 20'000, kLongestPause_us = 1'000;

}  // namespace

Shared::Shared(const Comm& comm, std::int64_t count)
    : comm_(comm.get()), asked_(static_cast<std::size_t>(comm.size()), false) {
    const std::int64_t ranks = comm.size(), rank = comm.rank(), each = count / ranks, more = count % ranks;
    const std::int64_t first = rank * each + std::min(rank, more);
    const std::int64_t last = first + each + (rank < more ? 1 : 0);
    if (first < last) ranges_.push_back({first, last});
}

std::optional<std::int64_t> Shared::own() {
    if (ranges_.empty()) return std::nullopt;
    Range& range = ranges_.front();
    const std::int64_t item = range.first++;
    if (range.first == range.last) ranges_.pop_front();
    return item;
}

void Shared::ask(int whom) {
    check_mpi(MPI_Send(nullptr, 0, MPI_INT64_T, whom, kAsk, comm_.get()), "ask for work");
    asked_[static_cast<std::size_t>(whom)] = true;
    ++outstanding_;
}

// The upper half of the last range: what its owner would have begun last. A rank that has just got work itself
// keeps the first item of it, so that no item goes round and round.
void Shared::answer(int who) {
    Range given{0, 0};
    if (!ranges_.empty() && !stopped_) {
        Range& from = ranges_.back();
        const std::int64_t keeps = idle_ && ranges_.size() == 1 ? 1 : 0;
        given = {from.last - (from.last - from.first - keeps + 1) / 2, from.last};
        from.last = given.first;
        if (from.first == from.last) ranges_.pop_back();
    }
    const std::int64_t message[2] = {given.first, given.last};
    check_mpi(MPI_Send(message, 2, MPI_INT64_T, who, kAnswer, comm_.get()), "give work");
}

bool Shared::poll() {
    for (;;) {
        int waiting = 0;
        MPI_Status status;
        check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm_.get(), &waiting, &status),
                  "look for messages");
        if (!waiting) return stopped_;
        pause_us_ = 0;
        std::int64_t message[2] = {0, 0};
        check_mpi(MPI_Recv(message, 2, MPI_INT64_T, status.MPI_SOURCE, status.MPI_TAG, comm_.get(),
                           MPI_STATUS_IGNORE),
                  "take a message");
        const auto from = static_cast<std::size_t>(status.MPI_SOURCE);
        switch (status.MPI_TAG) {
            case kAsk:
                answer(status.MPI_SOURCE);
                break;
            case kAnswer:
                --outstanding_;
                asked_[from] = false;
                if (message[0] < message[1]) ranges_.push_back({message[0], message[1]});
                break;
            default:
                stopped_ = true;
        }
    }
}

// Short at first, so that a prompt answer costs nothing; a rank that waits leaves its processor to others.
void Shared::pause() {
    pause_us_ = std::min(pause_us_ * 2 + 10, kLongestPause_us);
    std::this_thread::sleep_for(std::chrono::microseconds(pause_us_));
}

std::optional<std::int64_t> Shared::next() {
    poll();
    if (stopped_) return std::nullopt;
    if (const auto item = own()) return item;
    idle_ = true;
    std::optional<std::chrono::steady_clock::time_point> last_asked;
    std::optional<std::int64_t> item;
    for (int step = 1; !stopped_;) {
        if ((item = own())) break;
        const auto now = std::chrono::steady_clock::now();
        const bool waits =
            outstanding_ > 0 && last_asked && now - *last_asked < std::chrono::microseconds(kPatience_us);
        if (!waits && step < comm_.size()) {
            const int whom = (comm_.rank() + step++) % comm_.size();
            if (!asked_[static_cast<std::size_t>(whom)]) ask(whom);
            last_asked = now;
        } else if (outstanding_ == 0) {
            break;  // everybody was asked and had none: what is left is in work, or given away before
        }
        poll();
        if (ranges_.empty() && outstanding_ > 0) pause();
    }
    idle_ = false;
    return stopped_ ? std::nullopt : item;
}

void Shared::stop() {
    stopped_ = true;
    for (int rank = 0; rank < comm_.size(); ++rank) {
        if (rank == comm_.rank()) continue;
        // Synchronous: done only when it was received, so that no message is left when the work ends.
        check_mpi(MPI_Issend(nullptr, 0, MPI_INT64_T, rank, kStop, comm_.get(), &stops_.emplace_back()),
                  "tell of a failure");
    }
}

void Shared::finish() {
    ranges_.clear();
    int told = 0;
    while (outstanding_ > 0 || !told) {
        poll();
        ranges_.clear();  // an answer that came too late: a rank has failed
        check_mpi(MPI_Testall(static_cast<int>(stops_.size()), stops_.data(), &told, MPI_STATUSES_IGNORE),
                  "tell of a failure");
        if (outstanding_ > 0 || !told) pause();
    }
    MPI_Request everybody;
    check_mpi(MPI_Ibarrier(comm_.get(), &everybody), "end shared work");
    for (int done = 0; !done;) {
        poll();
        check_mpi(MPI_Test(&everybody, &done, MPI_STATUS_IGNORE), "end shared work");
        if (!done) pause();
    }
    poll();
}

void share(const Comm& comm, std::int64_t count, const std::function<void(Shared&)>& work) {
    Shared shared(comm, count);
    std::optional<Error> mine;
    try {
        work(shared);
    } catch (...) {
        mine = caught();
    }
    if (mine) {
        Event("warning", "rank_failed").with("rank", comm.rank()).with("text", mine->what());
        shared.stop();
    }
    shared.finish();
    agree(comm, mine);
}

}  // namespace core
