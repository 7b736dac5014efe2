#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "core/mpi/comm.h"

namespace core {

// One rank's part of work that all ranks share. Each begins with an equal range of [0, count); who has none left
// asks the others, and who is asked gives the upper half of what it has not begun. Only messages, looked for in
// poll() and next(): no thread, no one-sided window, no rank that serves the rest, any network. A rank that
// does not poll for a while keeps its own range that long and holds nobody else.
class Shared {
public:
    // The next item of this rank; nothing when none is left anywhere, or when a rank has failed.
    std::optional<std::int64_t> next();
    // Answers the others; cheap. To be called inside an item that takes long (between its files).
    // True if a rank has failed: then leave the item.
    bool poll();

    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;

private:
    friend void share(const Comm&, std::int64_t, const std::function<void(Shared&)>&);
    Shared(const Comm& comm, std::int64_t count);
    void stop();    // this rank has failed: tells the others
    void finish();  // collective: answers the others until nobody asks any more

    struct Range {
        std::int64_t first, last;  // [first, last)
    };
    void answer(int who);
    void ask(int whom);
    void pause();
    std::optional<std::int64_t> own();

    Comm comm_;
    std::deque<Range> ranges_;
    std::vector<bool> asked_;  // by rank: its answer is on its way
    std::vector<MPI_Request> stops_;
    int outstanding_ = 0;
    bool stopped_ = false, idle_ = false;
    std::int64_t pause_us_ = 0;
};

// Collective. Hands every item of [0, count) to exactly one rank: `work` takes them with next(). If it throws
// on one rank, that rank says so at once (a warning, `rank_failed`), the others stop at their next next() or
// poll(), and every rank throws the same AgreedError, as `together` does.
void share(const Comm& comm, std::int64_t count, const std::function<void(Shared&)>& work);

}  // namespace core
