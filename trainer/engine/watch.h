#pragma once
#include <mpi.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "core/mpi/comm.h"

namespace trainer {

// Bounds every wait of the ranks for each other. A thread of each rank tells ranks 0 and 1, over a
// communicator of its own, how far its rank has come (tick). When no rank has gone on for `hang_seconds`,
// they name the one that did not come: who is not heard of any more (stopped, its node gone), or else who
// has come least far (waiting for storage or a device, or in an endless loop). Then the job ends with exit
// code 4 (MPI_Abort).
class Watch {
public:
    Watch(const core::Comm& parent, double hang_seconds);  // collective
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch();  // collective

    // This rank has gone on: at places that all ranks pass equally often.
    static void tick() noexcept;
    // It works on, at a place of its own: how far it has come is not compared by this.
    static void alive() noexcept;

    // While it lives, this rank does what only it has to do and may take long (rank 0: figures of a split).
    class Busy {
    public:
        Busy() noexcept;
        Busy(const Busy&) = delete;
        Busy& operator=(const Busy&) = delete;
        ~Busy();
    };

private:
    using Clock = std::chrono::steady_clock;
    struct Beat {
        std::int64_t ticks = -1, alive = -1;
        std::int32_t busy = 0, done = 0;
    };
    struct Heard {  // of one rank, by a watcher
        Beat last, next;
        MPI_Request request = MPI_REQUEST_NULL;
        Clock::time_point heard = Clock::now(), went_on = Clock::now();
    };

    void run();  // the thread
    bool tell(bool last);
    bool listen();
    void note(Heard& of, const Beat& beat);
    void judge();

    core::Comm comm_;
    std::chrono::duration<double> limit_;
    std::vector<Heard> heard_;  // watchers only
    std::vector<MPI_Request> sending_;
    std::vector<Beat> sent_;
    std::vector<bool> told_last_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace trainer
